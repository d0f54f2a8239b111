// SPDX-License-Identifier: Apache-2.0
//! `lab [--keep | --walkthrough [--markdown]]`: builds a fabric and plays the demo in it;
//! with `--keep` leaves a shell on its server. Or plays the walkthrough, in all of VLAB's
//! default topology.

use std::env;
use std::io;
use std::process::ExitCode;
use std::time::Instant;

use hhnet_tests::stage::{Form, Stage};
use hhnet_tests::{story, walkthrough};

#[expect(clippy::print_stderr, reason = "the verdict of a command line tool")]
fn main() -> ExitCode {
    let out = &mut io::stdout();
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let began = Instant::now();
    let result = match args[..] {
        [] => story::play(out),
        ["--keep"] => story::play(out).and_then(|()| story::explore(out)),
        ["--walkthrough"] => walkthrough::play(&mut Stage::new(out, Form::Terminal)),
        ["--walkthrough", "--markdown"] => walkthrough::play(&mut Stage::new(out, Form::Markdown)),
        _ => {
            let wrong = args.join(" ");
            eprintln!("lab: {wrong:?}; usage: lab [--keep | --walkthrough [--markdown]]");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) if args.is_empty() || args == ["--walkthrough"] => {
            eprintln!(
                "lab: all of it as it should be, in {:.0} s",
                began.elapsed().as_secs_f64()
            );
            ExitCode::SUCCESS
        }
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::FAILURE
        }
    }
}
