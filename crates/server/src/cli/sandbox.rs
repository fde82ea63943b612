//! Sandbox of the process that parses documents: what a parser could be made to do by a hostile document, it cannot do to others.
//!
//! The process keeps its pipes and its memory. Landlock takes files and the network from it, and seccomp the system calls that open
//! files, connect, start programs or look into other processes, also where the kernel has no Landlock. Neither can be undone, and
//! threads that start later inherit both. See <https://docs.kernel.org/userspace-api/landlock.html> and
//! <https://docs.kernel.org/userspace-api/seccomp_filter.html>.

/// Confines the calling thread, and the threads that it starts from now on.
///
/// # Errors
///
/// Fails, with the reason, where the system has no such means; what could be done is done all the same.
pub(super) fn confine() -> Result<(), String> {
    #[cfg(target_os = "linux")]
    {
        let (files, calls) = (linux::restrict_files(), linux::restrict_calls());
        files.and(calls)
    }
    #[cfg(not(target_os = "linux"))]
    Err("only Linux has the means".to_owned())
}

/// Limits the memory of this process to what it has now and `bytes` more. What it has is the program itself, its libraries and fonts,
/// which differ by build and machine.
pub(super) fn limit_memory(bytes: u64) {
    let limit = own_memory().unwrap_or(0).saturating_add(bytes);
    // On platforms without the limit (macOS), only time is limited.
    let _unlimited = rlimit::Resource::AS.set(limit, limit);
}

/// Returns the address space of this process in bytes (`VmSize` of `proc_pid_status(5)`).
fn own_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    size.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Returns why the sandbox cannot be had here, if it cannot: by confining a thread that ends at once.
pub(super) fn lacking() -> Option<String> {
    std::thread::spawn(confine).join().map_or_else(|_| Some("it failed".to_owned()), Result::err)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;

    use landlock::{ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetStatus, Scope};
    use libc::c_long;
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule, apply_filter,
    };

    /// System calls that a parser does not need and an intruder does.
    const REFUSED: &[c_long] = &[
        // Files. Those that are open stay usable.
        libc::SYS_openat,
        libc::SYS_openat2,
        libc::SYS_open_by_handle_at,
        libc::SYS_unlinkat,
        libc::SYS_renameat2,
        libc::SYS_linkat,
        libc::SYS_symlinkat,
        libc::SYS_mkdirat,
        libc::SYS_mknodat,
        libc::SYS_fchmodat,
        libc::SYS_fchownat,
        libc::SYS_truncate,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        // The network.
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_listen,
        libc::SYS_accept,
        libc::SYS_accept4,
        // Other programs and processes.
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_pidfd_open,
        libc::SYS_pidfd_getfd,
        libc::SYS_pidfd_send_signal,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_setns,
        libc::SYS_unshare,
        // Ways around this filter, and parts of the kernel that are seldom needed and often attacked.
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
    ];

    /// The older forms of some calls, which newer processors' tables lack.
    #[cfg(target_arch = "x86_64")]
    const REFUSED_OLDER: &[c_long] = &[
        libc::SYS_open,
        libc::SYS_creat,
        libc::SYS_unlink,
        libc::SYS_rename,
        libc::SYS_renameat,
        libc::SYS_link,
        libc::SYS_symlink,
        libc::SYS_mkdir,
        libc::SYS_rmdir,
        libc::SYS_mknod,
        libc::SYS_chmod,
        libc::SYS_chown,
        libc::SYS_lchown,
        libc::SYS_fork,
        libc::SYS_vfork,
    ];
    #[cfg(not(target_arch = "x86_64"))]
    const REFUSED_OLDER: &[c_long] = &[libc::SYS_renameat];

    /// Takes every access to files by name and to TCP ports, and signals and abstract sockets of others.
    pub(super) fn restrict_files() -> Result<(), String> {
        // Newer rights are requested where the kernel knows them.
        let abi = ABI::V6;
        let status = Ruleset::default()
            .handle_access(AccessFs::from_all(abi))
            .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)))
            .and_then(|rules| rules.scope(Scope::from_all(abi)))
            .and_then(Ruleset::create)
            .and_then(landlock::RulesetCreated::restrict_self)
            .map_err(|error| format!("Landlock failed: {error}"))?;
        match status.ruleset {
            RulesetStatus::NotEnforced => Err("the kernel has no Landlock".to_owned()),
            _ => Ok(()),
        }
    }

    /// Refuses system calls.
    pub(super) fn restrict_calls() -> Result<(), String> {
        let failed = |error: seccompiler::Error| format!("seccomp failed: {error}");
        let mut refused: BTreeMap<c_long, Vec<SeccompRule>> =
            REFUSED.iter().chain(REFUSED_OLDER).map(|call| (*call, Vec::new())).collect();
        // A thread is allowed, a process is not.
        let thread = u64::try_from(libc::CLONE_THREAD).unwrap_or_default();
        let is_process = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(thread), 0)
            .and_then(|condition| SeccompRule::new(vec![condition]))
            .map_err(|error| failed(error.into()))?;
        refused.insert(libc::SYS_clone, vec![is_process]);
        // What `clone3` is asked for cannot be looked at; told that it is absent, the C library takes `clone`.
        let absent = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
        for (calls, errno) in [(absent, libc::ENOSYS), (refused, libc::EPERM)] {
            let program = filter(calls, errno).map_err(|error| failed(error.into()))?;
            apply_filter(&program).map_err(failed)?;
        }
        Ok(())
    }

    fn filter(
        calls: BTreeMap<c_long, Vec<SeccompRule>>,
        errno: i32,
    ) -> Result<BpfProgram, seccompiler::BackendError> {
        let errno = u32::try_from(errno).unwrap_or_default();
        let architecture = std::env::consts::ARCH.try_into()?;
        SeccompFilter::new(calls, SeccompAction::Allow, SeccompAction::Errno(errno), architecture)?.try_into()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write as _;
    use std::process::Command;

    /// Set in the copy of the tests that tries to get out.
    const CONFINED: &str = "WENYUAN_TEST_CONFINED";

    #[expect(
        clippy::disallowed_methods,
        reason = "tells the copy from the original, before any thread starts"
    )]
    #[test]
    fn a_confined_process_computes_and_reaches_nothing() {
        if std::env::var_os(CONFINED).is_some() {
            try_to_get_out();
            return;
        }
        let name = "cli::sandbox::tests::a_confined_process_computes_and_reaches_nothing";
        let run = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(CONFINED, "1")
            .output()
            .expect("a copy of the tests");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    }

    fn try_to_get_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut open = std::fs::File::create(folder.path().join("open")).expect("a file");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        assert_eq!(super::lacking(), None);
        super::confine().expect("a sandbox");
        // What it is for still works: memory, threads, panics that are caught, open files.
        let sum =
            std::thread::spawn(|| (0..1000u64).map(|number| number.to_string().len() as u64).sum::<u64>());
        assert_eq!(sum.join().expect("a thread"), 2890);
        assert!(std::panic::catch_unwind(|| panic!("caught")).is_err());
        open.write_all(b"written").expect("an open file");
        // What it is not for.
        assert!(std::fs::read("/etc/passwd").is_err());
        assert!(std::fs::read_dir("/").is_err());
        assert!(std::fs::write(folder.path().join("new"), b"").is_err());
        assert!(std::fs::remove_file(folder.path().join("open")).is_err());
        assert!(std::net::TcpStream::connect(address).is_err());
        assert!(std::net::TcpListener::bind("127.0.0.1:0").is_err());
        assert!(std::net::UdpSocket::bind("127.0.0.1:0").is_err());
        assert!(std::os::unix::net::UnixDatagram::unbound().is_err());
        assert!(Command::new("/bin/true").status().is_err());
        assert!(nix::unistd::chown("/", None, None).is_err());
        // In a thread of its own, too.
        assert!(std::thread::spawn(|| std::fs::read("/etc/passwd").is_err()).join().expect("a thread"));
    }
}
