//! Finds DPDK by pkg-config, compiles the shim of its inline functions and generates the bindings.

use std::{env, path::PathBuf};

/// The libraries that the shim and the bindings name; drivers come as plugins when EAL starts.
const LIBRARIES: [&str; 8] = [
    "rte_ethdev",
    "rte_net",
    "rte_mbuf",
    "rte_mempool",
    "rte_ring",
    "rte_kvargs",
    "rte_telemetry",
    "rte_eal",
];

const FUNCTIONS: [&str; 60] = [
    "shim_.*",
    "_rte_.*",
    "rte_dev_remove",
    "rte_eal_alarm_set",
    "rte_eal_cleanup",
    "rte_eal_get_runtime_dir",
    "rte_eal_hotplug_add",
    "rte_eal_hotplug_remove",
    "rte_eal_process_type",
    "rte_eth_add_rx_callback",
    "rte_eth_add_tx_callback",
    "rte_eth_allmulticast_disable",
    "rte_eth_allmulticast_enable",
    "rte_eth_allmulticast_get",
    "rte_eth_dev_adjust_nb_rx_tx_desc",
    "rte_eth_dev_callback_register",
    "rte_eth_dev_close",
    "rte_eth_dev_configure",
    "rte_eth_dev_default_mac_addr_set",
    "rte_eth_dev_get_mtu",
    "rte_eth_dev_get_name_by_port",
    "rte_eth_dev_get_port_by_name",
    "rte_eth_dev_info_get",
    "rte_eth_dev_mac_addr_add",
    "rte_eth_dev_mac_addr_remove",
    "rte_eth_dev_rss_hash_conf_get",
    "rte_eth_dev_rss_hash_update",
    "rte_eth_dev_rss_reta_update",
    "rte_eth_dev_set_link_down",
    "rte_eth_dev_set_link_up",
    "rte_eth_dev_set_mtu",
    "rte_eth_dev_socket_id",
    "rte_eth_dev_start",
    "rte_eth_dev_stop",
    "rte_eth_macaddr_get",
    "rte_eth_promiscuous_disable",
    "rte_eth_promiscuous_enable",
    "rte_eth_promiscuous_get",
    "rte_eth_rx_queue_setup",
    "rte_eth_stats_get",
    "rte_eth_stats_reset",
    "rte_eth_tx_queue_setup",
    "rte_eth_xstats_get",
    "rte_eth_xstats_get_names",
    "rte_lcore_to_socket_id",
    "rte_mempool_avail_count",
    "rte_mempool_free",
    "rte_mempool_in_use_count",
    "rte_mempool_lookup",
    "rte_pktmbuf_pool_create",
    "rte_socket_count",
    "rte_socket_id",
    "rte_socket_id_by_idx",
    "rte_strerror",
    "rte_thread_register",
    "rte_thread_set_affinity",
    "rte_thread_unregister",
    "rte_version",
    "rte_vlan_strip",
    "rte_pktmbuf_free_bulk",
];

const VARIABLES: [&str; 4] =
    ["SHIM_.*", "RTE_MBUF_DEFAULT_BUF_SIZE", "RTE_PKTMBUF_HEADROOM", "RTE_MAX_ETHPORTS"];

fn main() {
    for file in ["build.rs", "src/shim.h", "src/shim.c"] {
        println!("cargo::rerun-if-changed={file}");
    }
    let dpdk = pkg_config::Config::new()
        .atleast_version("22.11")
        .cargo_metadata(false)
        .probe("libdpdk")
        .expect("DPDK 22.11 or later is needed: apt install libdpdk-dev");
    let includes = dpdk.include_paths.iter().map(|path| format!("-I{}", path.display()));
    // What pkg-config says beyond paths is `-include rte_config.h` and the CPU that the distribution builds
    // for; never the machine that happens to compile.
    let flags: Vec<String> = includes
        .chain(["-include", "rte_config.h", "-march=corei7", "-D_GNU_SOURCE"].map(String::from))
        .collect();

    let mut shim = cc::Build::new();
    shim.file("src/shim.c").opt_level(3).warnings(false).flag_if_supported("-Wno-deprecated-declarations");
    for flag in &flags {
        shim.flag(flag);
    }
    shim.compile("homeward_dpdk_shim");
    for path in &dpdk.link_paths {
        println!("cargo::rustc-link-search=native={}", path.display());
    }
    for library in LIBRARIES {
        println!("cargo::rustc-link-lib=dylib={library}");
    }

    let mut bindings = bindgen::Builder::default()
        .header("src/shim.h")
        .clang_args(&flags)
        .default_enum_style(bindgen::EnumVariation::ModuleConsts)
        .derive_default(true)
        .layout_tests(false)
        .generate_comments(false)
        .prepend_enum_name(false)
        // Written by hand in lib.rs: the same names and offsets in every DPDK version (shim.c asserts them).
        .blocklist_type("rte_mbuf")
        // The wrapper is in eal.rs.
        .blocklist_function("rte_eal_init")
        // Packed inside aligned: Rust cannot say that.
        .opaque_type("rte_arp_hdr")
        .opaque_type("rte_arp_ipv4")
        .opaque_type("rte_gtp_psc_generic_hdr")
        .opaque_type("rte_l2tpv2_combined_msg_hdr");
    for name in FUNCTIONS {
        bindings = bindings.allowlist_function(name);
    }
    for name in VARIABLES {
        bindings = bindings.allowlist_var(name);
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    bindings
        .generate()
        .expect("DPDK's headers can be read (libclang-dev is needed)")
        .write_to_file(out.join("bindings.rs"))
        .expect("OUT_DIR can be written");
}
