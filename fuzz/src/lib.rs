// SPDX-License-Identifier: Apache-2.0
//! What the fuzz targets share.
//!
//! ```text
//! meter     how much memory something takes
//! messages  a server's messages, well formed or not
//! lease     what must hold for every lease
//! story     a client's life, played in virtual time
//! rules     what must hold at every moment of it
//! ```

pub mod lease;
pub mod messages;
pub mod meter;
pub mod rules;
pub mod story;
