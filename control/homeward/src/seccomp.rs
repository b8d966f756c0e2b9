//! What the process may ask of the kernel once it has started: a fault in a parser must not own the host.
//!
//! Control and every other thread may not start programs, load code into the kernel, change namespaces, mounts, users or
//! the clock, or look into other processes. A worker has a list of what it may do, and it is short. What is refused
//! fails with EPERM.

use std::collections::BTreeMap;

use nix::{libc, unistd};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

#[cfg(target_arch = "x86_64")]
const ARCH: TargetArch = TargetArch::x86_64;

/// Nothing of this process calls these after the start.
const FORBIDDEN: [i64; 65] = [
    // Programs and other processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    // Users and groups. Capabilities are dropped with capset, which can only take.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    // Namespaces, mounts and devices.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_mknod,
    libc::SYS_mknodat,
    // The kernel and the hardware.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_lookup_dcookie,
    libc::SYS_modify_ldt,
    // The clock and names of the host.
    libc::SYS_settimeofday,
    // Whether the clock is kept may be read (`adjtimex`); to change it takes a privilege that is dropped.
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    // What attackers of the kernel are fond of.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_personality,
    libc::SYS_vhangup,
];

/// What a worker does: memory, time, waiting, and the descriptors that it has. With these all drivers of DPDK that need
/// the kernel at all receive and send.
const OF_WORKERS: [i64; 53] = [
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_ioctl,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_getsockopt,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_select,
    libc::SYS_pselect6,
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_ctl,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_getcpu,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_getrandom,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Forbids it to every thread there is and will be. `no_new_privs` must be set.
pub fn confine_process() {
    told(seccompiler::apply_filter_all_threads(&of_process()));
}

/// Leaves this thread what a worker does. Not the main thread, which may be a worker's too: it ends the process, and a
/// filter stays for good.
pub fn confine_worker() {
    if unistd::gettid() != unistd::getpid() {
        told(seccompiler::apply_filter(&of_worker()));
    }
}

fn told(applied: Result<(), seccompiler::Error>) {
    if let Err(error) = applied {
        tracing::warn!("system calls are not filtered: {error}");
    }
}

fn of_process() -> BpfProgram {
    program(&FORBIDDEN, SeccompAction::Allow, refused())
}

fn of_worker() -> BpfProgram {
    program(&OF_WORKERS, refused(), SeccompAction::Allow)
}

fn refused() -> SeccompAction {
    SeccompAction::Errno(libc::EPERM as u32)
}

fn program(calls: &[i64], others: SeccompAction, these: SeccompAction) -> BpfProgram {
    let rules: BTreeMap<i64, Vec<_>> = calls.iter().map(|call| (*call, Vec::new())).collect();
    let filter = SeccompFilter::new(rules, others, these, ARCH);
    filter.and_then(TryInto::try_into).expect("the lists make a program, as the tests show")
}

#[cfg(test)]
mod tests {
    use std::{fs, io, process::Command, sync::mpsc, thread};

    use super::*;
    use crate::privileges::forbid_new;

    /// In a thread of its own, which alone is confined.
    fn confined<T: Send + 'static>(filter: BpfProgram, f: impl FnOnce() -> T + Send + 'static) -> T {
        let inside = move || {
            forbid_new();
            seccompiler::apply_filter(&filter).unwrap();
            f()
        };
        thread::spawn(inside).join().unwrap()
    }

    fn refused_by<T>(result: io::Result<T>) -> bool {
        result.err().and_then(|error| error.raw_os_error()) == Some(libc::EPERM)
    }

    #[test]
    fn a_confined_process_starts_no_program_and_goes_on_with_its_work() {
        let [program, namespace, file, thread] = confined(of_process(), || {
            [
                refused_by(Command::new("/bin/true").status()),
                refused_by(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).map_err(io::Error::from)),
                fs::read("/proc/self/status").is_ok(),
                thread::spawn(|| 1).join().is_ok(),
            ]
        });
        assert!(program && namespace, "refused");
        assert!(file && thread, "allowed");
    }

    #[test]
    fn a_confined_worker_opens_nothing_and_goes_on_with_its_work() {
        let (send, receive) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        let worker = thread::spawn(move || {
            confined(of_worker(), move || {
                let file = fs::read("/proc/self/status");
                let socket = std::net::UdpSocket::bind("127.0.0.1:0");
                answer.send(vec![0_u8; 8 << 20]).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(1));
                let heard: u8 = receive.recv().unwrap();
                (refused_by(file), refused_by(socket), heard)
            })
        });
        assert_eq!(answers.recv().unwrap().len(), 8 << 20);
        send.send(7).unwrap();
        assert_eq!(worker.join().unwrap(), (true, true, 7));
    }
}
