// SPDX-License-Identifier: Apache-2.0
//! BPF links of other processes, which netlink shows but cannot remove.
//!
//! aya lists links by id but neither tells a link's interface nor opens it, so
//! three commands of bpf(2) are called here directly.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use aya::programs::{links::LinkType, loaded_links};

use super::XdpError;

const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const BPF_LINK_GET_FD_BY_ID: libc::c_int = 30;
const BPF_LINK_DETACH: libc::c_int = 34;

/// Forces off the interface of this network namespace the link that holds
/// `program_id` there, both as `IFLA_XDP_PROG_ID` and `ip -d link` show them. The
/// owner keeps an empty link. Returns whether there was one: a program attached
/// over netlink has none and is removed by `ip link set dev … xdp off`.
///
/// # Errors
/// If links cannot be listed or the kernel refuses.
pub fn detach_link_of(ifindex: u32, program_id: u32) -> Result<bool, XdpError> {
    let step = || format!("detaching XDP program {program_id} from interface {ifindex}");
    for link in loaded_links() {
        let link = match link {
            Ok(link) => link,
            // A link may be gone between being listed and being opened.
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(XdpError::new(step(), &error)),
        };
        if link.program_id() == program_id && matches!(link.link_type(), Ok(LinkType::Xdp)) {
            let fd = open(link.id()).map_err(|error| XdpError::new(step(), &error))?;
            if interface(&fd).map_err(|error| XdpError::new(step(), &error))? == ifindex {
                detach(&fd).map_err(|error| XdpError::new(step(), &error))?;
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn is_gone(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.raw_os_error() == Some(libc::ENOENT);
        }
        next = error.source();
    }
    false
}

fn open(link_id: u32) -> io::Result<OwnedFd> {
    // union bpf_attr: link_id, next_id, open_flags.
    let fd = bpf(BPF_LINK_GET_FD_BY_ID, &mut [link_id, 0, 0])?;
    // SAFETY: the kernel made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `bpf_link_info.xdp.ifindex`.
fn interface(link: &OwnedFd) -> io::Result<u32> {
    // struct bpf_link_info: type, id, prog_id, padding, then the union.
    let mut info = [0_u32; 16];
    let address = info.as_mut_ptr().expose_provenance() as u64;
    // union bpf_attr.info: bpf_fd, info_len, info (64 bits).
    let length = size_of_val(&info) as u32;
    let mut attr = [
        link.as_raw_fd() as u32,
        length,
        address as u32,
        (address >> 32) as u32,
    ];
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(info[4])
}

fn detach(link: &OwnedFd) -> io::Result<()> {
    bpf(BPF_LINK_DETACH, &mut [link.as_raw_fd() as u32]).map(drop)
}

fn bpf<const N: usize>(command: libc::c_int, attr: &mut [u32; N]) -> io::Result<libc::c_int> {
    // SAFETY: `attr` is as long as it is said to be; pointers in it were made
    // from buffers that outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            attr.as_mut_ptr(),
            size_of_val(attr) as libc::c_uint,
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result as libc::c_int)
    }
}
