//! `pktgen`: foreign agents and home agents on a DPDK port.

#![forbid(unsafe_code)]

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use common::wire::mobile_ip::NTP_EPOCH;
use pktgen::{
    bundled,
    check::{self, FieldError},
    command::{self, CommandSocket},
    generate::Generator,
    html, line_rate,
    measure::{self, config::Sink},
    pcap::{self, PcapError},
    report::{self, GenerateReport, RespondReport},
    respond::Responder,
    result::{Report, VERSION},
    run::run,
    scenario::{Pages, Port, Scenario},
};
use serde::Serialize;

/// Generates and receives Mobile IP registration traffic on any DPDK port.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Plays foreign agents: sends registration requests for a population of mobile nodes, accounts for the replies.
    ///
    /// Answers ARP and ping for the foreign agents' addresses and finds out the next hop by ARP. Ends when all is sent
    /// and answered, or on Ctrl-C; then prints the result.
    Generate(GenerateArgs),
    /// Plays home agents: answers registration requests that come dispatched or directed.
    ///
    /// Answers ARP and ping for the home agents' real addresses, never for virtual ones. Takes commands, one a line,
    /// from standard input and from --control: `deaf NAME`, `hear NAME` (NAME is a home agent or `all`), `status`,
    /// `stop`. Ends when told, or on Ctrl-C; then prints the result.
    Respond(RespondArgs),
    /// Measures what the scenario's [mode] asks for: throughput, latency, sessions or soak.
    ///
    /// Sends on the scenario's [port] and sees what comes out at the home agents on its [sink], or takes replies for
    /// arrivals if there is none. Every frame is accounted for. A line a step goes to standard error. Takes the
    /// commands of `respond`: `deaf NAME` says that a home agent is down and its nodes may move, `hear NAME` that it is
    /// up again, `status`, `stop`. Ends when the question is answered, or on Ctrl-C. The exit status is 2 if the
    /// measurement failed: no rate was found, or an invariant broke.
    Measure(MeasureArgs),
    /// Shows a measurement's result again, as a table or as a page.
    Report {
        /// What `measure --json` wrote.
        result: PathBuf,
        /// Writes a page (HTML, one file that needs no other) with tables and plots.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// Prints no table.
        #[arg(long, short)]
        quiet: bool,
    },
    /// Writes requests as a capture file for net_pcap, the same bytes for the same scenario.
    WritePcap(WritePcap),
    /// Reads a scenario and says what is wrong with it.
    Check {
        /// Scenario file (TOML), or the name of a bundled one.
        scenario: PathBuf,
    },
    /// Lists the bundled scenarios, or prints one.
    Scenarios {
        /// Which to print.
        name: Option<String>,
    },
}

#[derive(Debug, Args)]
struct CommonArgs {
    /// Scenario file (TOML), or the name of a bundled one (see `pktgen scenarios`).
    scenario: PathBuf,
    /// DPDK device (PCI address or device string such as net_af_packet0,iface=eth0), instead of the scenario's.
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Huge pages: auto, required or off, instead of the scenario's.
    #[arg(long, value_name = "WHEN")]
    hugepages: Option<Pages>,
    /// Writes the result as JSON to a file, or to standard output (-) in place of the table.
    #[arg(long, value_name = "FILE|-")]
    json: Option<PathBuf>,
    /// Shows no progress.
    #[arg(long, short)]
    quiet: bool,
    /// Seconds after which to end, instead of the scenario's.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,
}

#[derive(Debug, Args)]
struct GenerateArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Requests a second (0: as fast as possible), instead of the scenario's.
    #[arg(long)]
    rate: Option<f64>,
    /// Requests in all, instead of the scenario's.
    #[arg(long)]
    requests: Option<u64>,
    /// Writes the account of every mobile node, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Fails (exit status 1) unless every node is registered and no answer was wrong.
    #[arg(long)]
    expect_all: bool,
}

#[derive(Debug, Args)]
struct RespondArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Unix socket that takes commands.
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Unix socket that writes the status as JSON to everybody who connects.
    #[arg(long, value_name = "PATH")]
    status_socket: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct MeasureArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// DPDK device on the home agents' side, instead of the scenario's.
    #[arg(long, value_name = "DEVICE")]
    sink: Option<String>,
    /// Frames a second (0: as fast as possible), instead of the scenario's.
    #[arg(long)]
    rate: Option<f64>,
    /// Unix socket that takes commands.
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Writes the result as a page (HTML, one file that needs no other) with tables and plots.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct WritePcap {
    /// Scenario file (TOML), or the name of a bundled one; it needs `target.mac`.
    scenario: PathBuf,
    /// The file to write.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// How many, instead of the scenario's number (default: one a node).
    #[arg(long)]
    requests: Option<u64>,
    /// Replaces the scenario's seed.
    #[arg(long)]
    seed: Option<u64>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .init();
    let done = match Cli::parse().action {
        Action::Generate(arguments) => generate(&arguments),
        Action::Respond(arguments) => respond(&arguments),
        Action::Measure(arguments) => measure(&arguments),
        Action::Report { result, html, quiet } => show_again(&result, html.as_deref(), quiet),
        Action::WritePcap(arguments) => write_pcap(&arguments),
        Action::Check { scenario } => {
            Scenario::load(&scenario).map(|_| ExitCode::SUCCESS).map_err(Into::into)
        }
        Action::Scenarios { name } => scenarios(name.as_deref()),
    };
    done.unwrap_or_else(|error| {
        eprintln!("pktgen: {error:#}");
        ExitCode::FAILURE
    })
}

/// A problem as an error that names the file.
fn in_file(file: &Path) -> impl Fn(FieldError) -> anyhow::Error + '_ {
    move |problem| problem.in_file(file).into()
}

/// The scenario with what the command line says instead.
fn load(arguments: &CommonArgs) -> anyhow::Result<(Scenario, Port)> {
    let mut scenario = Scenario::load(&arguments.scenario)?;
    let port = match (&scenario.port, &arguments.device) {
        (Some(port), Some(device)) => Port { device: device.clone(), ..port.clone() },
        (None, Some(device)) => Port::new(device.clone()),
        (_, None) => check::port(&scenario).map_err(in_file(&arguments.scenario))?.clone(),
    };
    let port = Port { hugepages: arguments.hugepages.unwrap_or(port.hugepages), ..port };
    scenario.port = Some(port.clone());
    Ok((scenario, port))
}

fn generate(arguments: &GenerateArgs) -> anyhow::Result<ExitCode> {
    let common = &arguments.common;
    let (mut scenario, port) = load(common)?;
    let traffic = &mut scenario.traffic;
    if let Some(rate) = arguments.rate {
        (traffic.rate, traffic.line) = (rate, None);
    }
    traffic.requests = arguments.requests.or(traffic.requests);
    traffic.duration = common.duration.or(traffic.duration);
    check::values(&scenario).map_err(in_file(&common.scenario))?;
    check::sending(&scenario).map_err(in_file(&common.scenario))?;
    let clock = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + NTP_EPOCH;
    let finished = run(&scenario, &port, command::channel(), !common.quiet, |mac, control| {
        let mut scenario = scenario.clone();
        let line = line_rate::rate(&scenario, line_rate::speed(&port, control));
        line_rate::resolve(&mut scenario, line).map_err(in_file(&common.scenario))?;
        Generator::new(&scenario, mac, clock as u32).map_err(in_file(&common.scenario))
    })?;
    let result = GenerateReport::new(&scenario.name, &finished.endpoint, finished.port);
    show(common, &result, &result.table())?;
    if let Some(path) = &arguments.ledger {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        report::write_nodes(&finished.endpoint, file).with_context(|| path.display().to_string())?;
    }
    if let Some(failure) = &result.failure {
        anyhow::bail!("{failure}");
    }
    Ok(if arguments.expect_all && !result.is_clean() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn respond(arguments: &RespondArgs) -> anyhow::Result<ExitCode> {
    let common = &arguments.common;
    let (mut scenario, port) = load(common)?;
    scenario.respond.duration = common.duration.or(scenario.respond.duration);
    check::responding(&scenario).map_err(in_file(&common.scenario))?;
    let (sender, commands) = command::channel();
    // Threads are started behind the port: so they stay off the worker's CPU.
    let mut sockets = Vec::new();
    let open = |sockets: &mut Vec<CommandSocket>| -> anyhow::Result<()> {
        if let Some(path) = &arguments.control {
            sockets.push(sender.listen(path).with_context(|| path.display().to_string())?);
        }
        if let Some(path) = &arguments.status_socket {
            sockets.push(sender.show_status(path).with_context(|| path.display().to_string())?);
        }
        sender.follow_stdin();
        Ok(())
    };
    let finished = run(&scenario, &port, (sender.clone(), commands), !common.quiet, |_, _| {
        open(&mut sockets)?;
        Responder::new(&scenario).map_err(in_file(&common.scenario))
    })?;
    let result = RespondReport::new(&scenario.name, &finished.endpoint, finished.elapsed, finished.port);
    show(common, &result, &result.table())?;
    Ok(ExitCode::SUCCESS)
}

fn measure(arguments: &MeasureArgs) -> anyhow::Result<ExitCode> {
    let common = &arguments.common;
    let (mut scenario, port) = load(common)?;
    if let Some(rate) = arguments.rate {
        (scenario.traffic.rate, scenario.traffic.line) = (rate, None);
    }
    scenario.traffic.duration = common.duration.or(scenario.traffic.duration);
    match (&mut scenario.sink, &arguments.sink) {
        (Some(sink), Some(device)) => sink.device.clone_from(device),
        (sink @ None, Some(device)) => *sink = Some(Sink::new(device.clone())),
        (_, None) => {}
    }
    check::values(&scenario).map_err(in_file(&common.scenario))?;
    check::measuring(&scenario).map_err(in_file(&common.scenario))?;
    // Before hours of traffic, not behind them.
    let html = arguments.html.as_deref().map(create).transpose()?;
    let clock = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + NTP_EPOCH;
    let (sender, commands) = command::channel();
    // A thread is started behind the port: so it stays off the worker's CPU.
    let mut socket = None;
    let open = || -> anyhow::Result<()> {
        if let Some(path) = &arguments.control {
            socket = Some(sender.listen(path).with_context(|| path.display().to_string())?);
        }
        Ok(())
    };
    let ends = (sender.clone(), commands);
    let refuse = in_file(&common.scenario);
    let result = measure::run::run(&scenario, &port, clock as u32, ends, !common.quiet, open, refuse)?;
    show(common, &result, &measure::report::table(&result))?;
    if let (Some(file), Some(path)) = (html, &arguments.html) {
        write_html(&result, file, path)?;
    }
    Ok(if result.outcome.passed { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn create(path: &Path) -> anyhow::Result<File> {
    File::create(path).with_context(|| path.display().to_string())
}

fn write_html(result: &Report, mut file: File, path: &Path) -> anyhow::Result<()> {
    let page = html::page(result)?;
    file.write_all(page.as_bytes()).with_context(|| path.display().to_string())
}

/// A kept result, as it would have been shown.
fn show_again(kept: &Path, html: Option<&Path>, quiet: bool) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(kept).with_context(|| kept.display().to_string())?;
    let result: Report = serde_json::from_str(&text)
        .with_context(|| format!("{}: not a result of pktgen measure", kept.display()))?;
    anyhow::ensure!(
        result.version <= VERSION,
        "{}: version {} is newer than this program's, {VERSION}",
        kept.display(),
        result.version
    );
    if let Some(path) = html {
        write_html(&result, create(path)?, path)?;
    }
    if !quiet {
        print!("{}", measure::report::table(&result));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(arguments: &CommonArgs, result: &impl Serialize, table: &str) -> anyhow::Result<()> {
    match arguments.json.as_deref() {
        Some(path) if path == Path::new("-") => {
            println!("{}", serde_json::to_string_pretty(result)?);
            return Ok(());
        }
        Some(path) => {
            let text = serde_json::to_string_pretty(result)? + "\n";
            std::fs::write(path, text).with_context(|| path.display().to_string())?;
        }
        None => {}
    }
    print!("{table}");
    Ok(())
}

fn write_pcap(arguments: &WritePcap) -> anyhow::Result<ExitCode> {
    let mut scenario = Scenario::load(&arguments.scenario)?;
    scenario.seed = arguments.seed.unwrap_or(scenario.seed);
    let name = arguments.output.display().to_string();
    let mut file = BufWriter::new(File::create(&arguments.output).with_context(|| name.clone())?);
    let (frames, bytes) =
        pcap::write(&scenario, arguments.requests, &mut file).map_err(|error| match error {
            PcapError::Scenario(problem) => problem.in_file(&arguments.scenario).into(),
            PcapError::Write(error) => anyhow::Error::from(error).context(name.clone()),
        })?;
    println!("{name}: {frames} requests, {bytes} bytes");
    Ok(ExitCode::SUCCESS)
}

fn scenarios(name: Option<&str>) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match name {
        Some(name) => {
            let text = bundled::find(name).with_context(|| format!("there is no bundled scenario {name}"))?;
            out.write_all(text.as_bytes())?;
        }
        None => {
            for (name, text) in bundled::ALL {
                writeln!(out, "{name:<16} {}", bundled::about(text))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
