//! EAL start with the option names of today.

use std::{
    ffi::{CStr, CString},
    os::raw::{c_char, c_int},
};

use crate::bindings;

/// Starts EAL; `--master-lcore` and `--pci-whitelist`, gone since 20.11, are given their present names.
///
/// Returns what `rte_eal_init` returns: the number of arguments read, or -1 with `rte_errno` set.
///
/// # Safety
///
/// `argv` must hold `argc` valid C strings; EAL may start once in a process.
#[allow(non_snake_case)]
pub unsafe fn rte_eal_init(argc: c_int, argv: *mut *mut c_char) -> c_int {
    let count = usize::try_from(argc).unwrap_or(0);
    let mut arguments: Vec<*mut c_char> = (0..count)
        .map(|at| {
            // SAFETY: the caller vouches for `argc` strings.
            let argument = unsafe { CStr::from_ptr(*argv.add(at)) };
            let renamed = match argument.to_bytes() {
                b"--master-lcore" => CString::from(c"--main-lcore"),
                b"--pci-whitelist" => CString::from(c"--allow"),
                _ => CString::from(argument),
            };
            // EAL keeps pointers into its arguments for the life of the process.
            renamed.into_raw()
        })
        .collect();
    arguments.push(std::ptr::null_mut());
    // SAFETY: `count` strings and the closing null, none ever freed.
    unsafe { bindings::shim_eal_init(argc, Box::leak(arguments.into_boxed_slice()).as_mut_ptr()) }
}
