// SPDX-License-Identifier: Apache-2.0
//! What comes from the other end of the control socket.

use hhnet::wire::{Frame, MAX, decode_request};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::{MANY, meter};

/// Whatever a frame claims, it takes at most its limit, for as long as it is read; and
/// only what has come is ever touched.
#[test]
fn a_million_broken_frames_leave_nothing_behind() {
    let mut chance = SmallRng::seed_from_u64(3);
    let before = meter::begin();
    let (mut good, mut claims) = (0_u32, 0_u32);
    for number in 0..MANY {
        let length = match number % 100 {
            0 => chance.random::<u32>(),
            _ => chance.random_range(0..40),
        };
        claims += u32::from(length as usize > MAX);
        let mut bytes = vec![chance.random_range(0..8)];
        bytes.extend(length.to_be_bytes());
        bytes.extend(number.to_be_bytes().repeat(8));
        good += u32::from(Frame::read(&mut bytes.as_slice()).is_ok());
        let arguments = decode_request(&bytes[5..]);
        assert!(arguments.len() <= 33);
    }
    assert_eq!(meter::in_use(), before);
    let peak = meter::take_peak() - before;
    assert!(peak <= MAX as i64 + 4096, "{peak} bytes more were in use");
    assert!(good > MANY / 4 && claims > 1000, "{good} {claims}");
}
