// SPDX-License-Identifier: Apache-2.0
//! What a lease changes on the machine beyond its interfaces.

pub mod resolver;
