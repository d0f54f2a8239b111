// SPDX-License-Identifier: Apache-2.0
//! What hhnet does with bonds and VLANs. Needs root and a kernel with both.

mod bond;
