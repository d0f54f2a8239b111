// SPDX-License-Identifier: Apache-2.0
//! Fixtures of the black-box tests.
