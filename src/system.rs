//! What this process may use of the machine: cores, memory, descriptors. Affinity and cgroup v2 count, not only the machine.

use std::fs;
use std::path::{Path, PathBuf};

/// Numbers of the cores that this process may run on.
pub fn usable_cores() -> Vec<usize> {
    let cores: Vec<usize> = rustix::thread::sched_getaffinity(None)
        .map(|set| (0..rustix::thread::CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect())
        .unwrap_or_default();
    let cores = if cores.is_empty() { vec![0] } else { cores };
    let quota = cgroup_files("cpu.max").filter_map(|text| cpu_quota(&text)).min().unwrap_or(usize::MAX);
    cores.into_iter().take(quota.max(1)).collect()
}

/// Bytes of memory that this process may use.
pub fn usable_memory() -> u64 {
    let info = rustix::system::sysinfo();
    let machine = info.totalram as u64 * u64::from(info.mem_unit.max(1));
    let limit = cgroup_files("memory.max").filter_map(|text| text.trim().parse().ok()).min().unwrap_or(u64::MAX);
    machine.min(limit)
}

/// Whole cores of a `cpu.max`: quota by period, rounded up; `None` without a quota.
fn cpu_quota(text: &str) -> Option<usize> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.parse().ok()?);
    usize::try_from(quota.div_ceil(period.max(1))).ok()
}

/// A file of this process's cgroup and of all above it.
fn cgroup_files(name: &str) -> impl Iterator<Item = String> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let path = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/").trim_start_matches('/').to_owned();
    let base = Path::new("/sys/fs/cgroup");
    let folders: Vec<PathBuf> =
        base.join(path).ancestors().take_while(|folder| folder.starts_with(base)).map(Into::into).collect();
    let name = name.to_owned();
    folders.into_iter().filter_map(move |folder| fs::read_to_string(folder.join(&name)).ok())
}

/// Raises the limits on descriptors and locked memory as far as is allowed.
pub fn raise_limits() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    for resource in [Resource::Nofile, Resource::Memlock] {
        let limit = getrlimit(resource);
        if limit.current != limit.maximum {
            // What isn't allowed stays as it is; what runs out later says so.
            let _ = setrlimit(resource, Rlimit { current: limit.maximum, maximum: limit.maximum });
        }
    }
}

/// The machine's name.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The address by which others reach this machine: the one from which it would send to a documentation address (nothing is sent).
pub fn own_address() -> Option<std::net::IpAddr> {
    let routed = |any: &str, far: &str| {
        let socket = std::net::UdpSocket::bind((any, 0)).ok()?;
        socket.connect((far, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    routed("0.0.0.0", "192.0.2.1").or_else(|| routed("::", "2001:db8::1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_rounded_up_to_whole_cores() {
        let cases =
            [("max 100000\n", None), ("150000 100000", Some(2)), ("50000 100000", Some(1)), ("x y", None), ("", None)];
        for (text, expected) in cases {
            assert_eq!(cpu_quota(text), expected, "{text}");
        }
    }

    #[test]
    fn there_is_a_core_and_some_memory() {
        assert!(!usable_cores().is_empty());
        assert!(usable_memory() > 1 << 20);
    }
}
