// SPDX-License-Identifier: Apache-2.0
//! Debian packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};

use crate::process;
use crate::progress::{Step, step};

/// Installs the packages that are missing, in one go.
///
/// # Errors
/// One list of everything to install if this is not root or not Debian.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    let missing = missing(packages)?;
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if program("apt-get").is_err() {
        bail!("this machine has no apt; install what these Debian packages hold: {list}");
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("missing packages; as root, run:\n  apt-get update && apt-get install -y {list}");
    }
    step(&format!("installing {list}"), |step| {
        refresh_lists(step)?;
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "-y", "--no-install-recommends"])
            // A machine that has just started may be installing updates.
            .args(["-o", "DPkg::Lock::Timeout=300"])
            .args(&missing);
        process::within(step, &mut apt)
    })
}

/// Updates apt's package lists, once per run and only if something must be fetched.
/// As another user than root it leaves the lists as they are.
pub(super) fn refresh_lists(step: &Step) -> Result<()> {
    static REFRESHED: OnceLock<()> = OnceLock::new();
    if REFRESHED.get().is_none() && nix::unistd::geteuid().is_root() {
        process::within(step, Command::new("apt-get").arg("update"))?;
        REFRESHED.get_or_init(|| ());
    }
    Ok(())
}

/// The package starting with `prefix` that a metapackage depends on.
pub(super) fn dependency(metapackage: &str, prefix: &str) -> Result<String> {
    let listing = process::output(Command::new("apt-cache").args(["depends", metapackage]))?;
    parse_dependency(&listing, prefix)
        .map(str::to_owned)
        .with_context(|| format!("{metapackage} depends on no {prefix}* package:\n{listing}"))
}

/// Where this machine's apt has Debian from.
pub(crate) fn mirror() -> Result<String> {
    const FORMAT: &str = "$(ORIGIN) $(LABEL) $(REPO_URI)";
    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", FORMAT]);
    let targets = process::output(&mut targets)?;
    let mirror = parse_mirror(&targets).unwrap_or("http://deb.debian.org/debian/");
    Ok(mirror.to_owned())
}

/// Downloads packages into `dir`, which is emptied, and unpacks them in its `root`.
/// Nothing is installed: no service starts, and no dependency comes along.
pub(super) fn unpack(step: &Step, dir: &Path, packages: &[&str]) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("emptying {}", dir.display()))?;
    }
    fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    let mut download = Command::new("apt-get");
    download.arg("download").args(packages).current_dir(dir);
    process::within(step, &mut download)?;
    step.progress("unpacking");
    let mut unpacked = 0;
    for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let deb = entry?.path();
        if deb.extension().is_some_and(|extension| extension == "deb") {
            let mut extract = Command::new("dpkg-deb");
            extract.arg("-x").arg(&deb).arg(dir.join("root"));
            process::within(step, &mut extract)?;
            fs::remove_file(&deb).with_context(|| format!("removing {}", deb.display()))?;
            unpacked += 1;
        }
    }
    ensure!(
        unpacked == packages.len(),
        "apt-get download left {unpacked} packages in {}, not {}",
        dir.display(),
        packages.len()
    );
    Ok(())
}

/// The path of a program that one of the packages brought. Not by PATH, which lacks the
/// administrator's directories for most users and may have something else first.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .map(|dir| Path::new(dir).join(name))
        .into_iter()
        .find(|candidate| candidate.is_file())
        .with_context(|| format!("{name}: not installed"))
}

fn parse_dependency<'a>(listing: &'a str, prefix: &str) -> Option<&'a str> {
    listing
        .lines()
        .filter_map(|line| {
            line.trim_start()
                .trim_start_matches('|')
                .strip_prefix("Depends: ")
        })
        .find(|package| package.starts_with(prefix))
}

/// Debian itself, not its security updates or somebody else's packages.
fn parse_mirror(targets: &str) -> Option<&str> {
    targets
        .lines()
        .find_map(|target| target.strip_prefix("Debian Debian "))
}

fn missing<'a>(packages: &[&'a str]) -> Result<Vec<&'a str>> {
    if program("dpkg-query").is_err() {
        return Ok(packages.to_vec());
    }
    // Unknown packages make dpkg-query fail, but the known ones are listed all the same.
    let query = Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Abbrev} ${Package}\\n"])
        .args(packages)
        .output()
        .context("starting dpkg-query")?;
    let listing = String::from_utf8_lossy(&query.stdout);
    Ok(packages
        .iter()
        .copied()
        .filter(|package| !is_installed(&listing, package))
        .collect())
}

fn is_installed(listing: &str, package: &str) -> bool {
    listing.lines().any(|line| {
        line.split_once(' ')
            .is_some_and(|(status, name)| status.starts_with("ii") && name.trim() == package)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependency_of_a_metapackage() {
        let listing = "linux-image-6.12-cloud-amd64\n  \
                       Depends: linux-image-6.12.117+deb12-cloud-amd64\n  \
                       Suggests: linux-doc-6.12\n";
        assert_eq!(
            parse_dependency(listing, "linux-image-"),
            Some("linux-image-6.12.117+deb12-cloud-amd64")
        );
        assert_eq!(parse_dependency(listing, "linux-headers-"), None);
        assert_eq!(
            parse_dependency("x\n |Depends: a-1\n  Depends: a-2\n", "a-"),
            Some("a-1")
        );
        assert_eq!(parse_dependency("x\n  PreDepends: a-1\n", "a-"), None);
    }

    #[test]
    fn the_mirror_is_that_of_debian_itself() {
        let targets = "Debian Debian-Security http://mirror.example/debian-security/\n\
                       NodeSource NodeSource https://deb.example/node/\n\
                       Debian Debian http://mirror.example/debian/\n";
        let debian = Some("http://mirror.example/debian/");
        assert_eq!(parse_mirror(targets), debian);
        assert_eq!(parse_mirror(""), None);
    }

    #[test]
    fn only_fully_installed_packages_count() {
        let listing = "ii  cpio\nrc  tcpdump\nun  strace\nii  lz4-dev\n";
        assert!(is_installed(listing, "cpio"));
        for absent in ["tcpdump", "strace", "lz4", "kmod"] {
            assert!(!is_installed(listing, absent), "{absent}");
        }
    }
}
