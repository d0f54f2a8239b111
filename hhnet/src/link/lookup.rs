// SPDX-License-Identifier: Apache-2.0
//! Asking the kernel for links.

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkMessage},
};

use super::{Device, LinkError, Links, Result};

impl Links {
    /// All links: `ip -d link show`.
    pub async fn devices(&self) -> Result<Vec<Device>> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let links = self.dump("listing links".into(), request).await?;
        Ok(links
            .iter()
            .filter_map(Device::from_route_message)
            .collect())
    }

    /// One link by its name, or `None`: `ip -d link show dev NAME`.
    pub async fn device(&self, name: &str) -> Result<Option<Device>> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.into()));
        self.one(format!("looking for {name}"), message).await
    }

    /// One link by its index, or `None`.
    pub async fn device_at(&self, index: u32) -> Result<Option<Device>> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.one(format!("looking for link {index}"), message).await
    }

    async fn one(&self, step: String, message: LinkMessage) -> Result<Option<Device>> {
        let request = RouteNetlinkMessage::GetLink(message);
        match self.collect(step, request, 0).await {
            Ok(found) => Ok(found.iter().find_map(Device::from_route_message)),
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that a link can be added under this name, before anything is
    /// changed for it.
    ///
    /// # Errors
    /// `File exists` when there is one, as adding it would say.
    pub async fn must_be_free(&self, name: &str) -> Result<()> {
        match self.device(name).await? {
            None => Ok(()),
            Some(_) => {
                let error = std::io::Error::from_raw_os_error(libc::EEXIST);
                Err(LinkError::new(format!("adding {name}"), error))
            }
        }
    }

    /// One link by its name.
    ///
    /// # Errors
    /// `No such device` when there is none.
    pub async fn existing(&self, name: &str) -> Result<Device> {
        let missing = || {
            let error = std::io::Error::from_raw_os_error(libc::ENODEV);
            LinkError::new(format!("looking for interface {name}"), error)
        };
        self.device(name).await?.ok_or_else(missing)
    }
}
