//! The PowerShell endpoint with an engine behind it: released clients, our own client, and what happens without one.
#![allow(clippy::wildcard_enum_match_arm, reason = "of the many events a test takes a few")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use client::pool::{PipelineEvent, PipelineOptions, Pool, PoolOptions};
use client::{Authentication, Client, Config, Credentials};
use psrp::client::Record;
use psrp::clixml::Value;
use psrp::messages::{Command, HostResponse, HostResult, PipelineState, PowerShell};
use tempfile::TempDir;
use testkit::Engine;
use testkit::outside::report;

use crate::domain::Domain;
use crate::peers::{peer_of, peer_on};
use crate::service::{PASSWORD, Service, USER, flavours};
use crate::tool;

/// An engine that every user of this machine can start, as long as this lives.
pub(crate) struct Reachable {
    words: Vec<String>,
    pub(crate) name: Engine,
    _folder: TempDir,
}

impl Reachable {
    pub(crate) fn find() -> Self {
        let folder = tempfile::Builder::new().prefix("transom-engine-").tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let name = Engine::find();
        let mut words: Vec<String> =
            name.command_line.iter().map(|word| word.to_str().unwrap().to_owned()).collect();
        if name.is_stand_in {
            words = stand_in(&words, folder.path());
        }
        Self { words, name, _folder: folder }
    }

    /// The same, started in this folder as in the home of `user`, who has a terminal.
    pub(crate) fn at_home(mut self, home: &Path) -> Self {
        let home = home.to_str().unwrap();
        let mut words = vec!["/usr/bin/env".to_owned(), format!("--chdir={home}")];
        words.push(format!("HOME={home}"));
        words.extend(["USER=user", "TERM=xterm-256color"].map(str::to_owned));
        words.append(&mut self.words);
        Self { words, ..self }
    }

    /// Settings that name it.
    pub(crate) fn settings(&self) -> String {
        format!("[PowerShell]\nCommand = {:?}\n", self.words)
    }
}

/// The stand-in's program and the packages that it needs, copied to where commands of other users reach them.
fn stand_in(words: &[String], folder: &Path) -> Vec<String> {
    let [python, script] = words else { panic!("{words:?}") };
    let copy = |from: &Path, to: &Path| {
        tool::run(tool::program("cp").arg("-r").arg(from).arg(to)).ended(0);
    };
    let engine = folder.join("engine");
    copy(Path::new(script).parent().unwrap(), &engine);
    let packages = folder.join("packages");
    fs::create_dir(&packages).unwrap();
    let site = tool::run(tool::program(python).args([
        "-c",
        "import psrpcore, os; print(os.path.dirname(os.path.dirname(psrpcore.__file__)))",
    ]));
    let site = PathBuf::from(site.stdout.trim());
    for entry in fs::read_dir(&site).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if ["psrpcore", "cryptography", "cffi", "_cffi_backend"]
            .iter()
            .any(|wanted| name.split('.').next() == Some(*wanted))
        {
            copy(&path, &packages);
        }
    }
    tool::run(tool::program("chmod").args(["-R", "a+rX"]).arg(folder)).ended(0);
    // The Python that made the packages may live in somebody's home; then the system's takes its place.
    let python = fs::canonicalize(python).unwrap();
    let others =
        |path: &Path| fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o001 != 0);
    let python =
        if python.ancestors().all(others) { python } else { PathBuf::from("/usr/bin/python3") };
    let variable = format!("PYTHONPATH={}", packages.display());
    let script = engine.join("stand_in_engine.py");
    let words =
        ["/usr/bin/env", &variable, python.to_str().unwrap(), "-B", script.to_str().unwrap()];
    words.map(str::to_owned).to_vec()
}

#[test]
fn pypsrp_has_its_pools_over_http() {
    let engine = Reachable::find();
    report(&engine.name.peer("pypsrp over http"));
    for flavour in flavours() {
        peer_on(&Service::configured(flavour, &engine.settings()), "pypsrp_pools.py", "ntlm", &[]);
    }
}

#[test]
fn pypsrp_has_its_pools_over_https() {
    let engine = Reachable::find();
    report(&engine.name.peer("pypsrp over https"));
    let service = Service::https(flavours()[0], &engine.settings());
    peer_on(&service, "pypsrp_pools.py", "negotiate", &[]);
}

/// What Ansible can do with any engine behind the endpoint.
const OF_ANSIBLE: [&str; 5] = [
    "raw_brings_back_what_a_script_wrote",
    "raw_reports_an_error_as_a_failed_task",
    "raw_has_the_exit_code_of_a_program",
    "raw_brings_back_much_output",
    "wrong_password_is_a_host_that_cannot_be_reached",
];

fn ansible_runs(service: &Service, engine: &Engine, auth: &str) {
    // What is beyond `raw` needs a PowerShell: the script says why.
    let script = if engine.is_stand_in {
        "script_is_refused_by_what_is_no_powershell"
    } else {
        "script_runs"
    };
    let checks = [OF_ANSIBLE.as_slice(), &[script]].concat();
    peer_on(service, "ansible_psrp.py", auth, &checks);
}

#[test]
fn ansible_runs_raw_tasks_over_http() {
    let engine = Reachable::find();
    report(&engine.name.peer("Ansible over http"));
    let service = Service::configured(flavours()[0], &engine.settings());
    ansible_runs(&service, &engine.name, "ntlm");
}

#[test]
fn ansible_runs_raw_tasks_over_https() {
    let engine = Reachable::find();
    report(&engine.name.peer("Ansible over https"));
    let service = Service::https(flavours()[0], &engine.settings());
    ansible_runs(&service, &engine.name, "ntlm");
}

/// Names as in Ansible's own documentation: the user is `rita@TRANSOM.TEST`, and the ticket is delegated.
#[test]
fn ansible_runs_raw_tasks_as_somebody_from_a_domain() {
    let engine = Reachable::find();
    report(&engine.name.peer("Ansible by Kerberos and CredSSP"));
    let domain = Domain::new();
    let settings = format!("{}[Service.Auth]\nCredSSP = true\n", engine.settings());
    // A wrong password is the KDC's to refuse.
    let checks = [&OF_ANSIBLE[..4], &["raw_has_a_ticket_of_the_user"]].concat();
    let service = domain.service("http", flavours()[0], &settings);
    for auth in ["kerberos", "credssp"] {
        peer_of(&domain, &service, ("ansible_psrp.py", auth), &checks);
    }
}

#[test]
fn missing_engine_is_named_with_its_setting_and_leaves_nothing_behind() {
    let service =
        Service::configured(flavours()[0], "[PowerShell]\nCommand = [\"/no/such/pwsh\"]\n");
    let error = led(async {
        client(&service).open_pool(PoolOptions::default()).await.unwrap_err().to_string()
    });
    assert!(error.contains("/no/such/pwsh is not installed"), "{error}");
    assert!(error.contains("Command of [PowerShell]"), "{error}");
    tool::until("the keeper is gone", || service.log().contains("shell ended"));
}

#[test]
fn engine_that_dies_ends_the_pool_and_says_so() {
    let engine = Reachable::find();
    let service = Service::configured(flavours()[0], &engine.settings());
    let error = led(async {
        let pool = client(&service).open_pool(PoolOptions::default()).await.unwrap();
        let script = "& { $PID }";
        let (output, _) = finish(&pool, script).await.unwrap();
        let Some(Value::Int32(pid)) = output.first() else { panic!("{output:?}") };
        let mut running = pool.invoke(options("Start-Sleep -Seconds 60")).await.unwrap();
        tool::run(tool::program("kill").args(["-9", &pid.to_string()])).ended(0);
        let error = loop {
            match running.next().await {
                Ok(Some(PipelineEvent::Ended { state, error })) => {
                    assert_eq!(state, PipelineState::Failed);
                    break error.unwrap().message().to_string_lossy().into_owned();
                }
                Ok(Some(_)) => {}
                other => panic!("{other:?}"),
            }
        };
        let next = pool.invoke(options("1")).await.unwrap_err().to_string();
        assert!(next.contains("engine has ended"), "{next}");
        error
    });
    assert!(error.contains("engine has ended"), "{error}");
}

#[test]
fn our_client_runs_pipelines_and_answers_the_host() {
    let engine = Reachable::find();
    report(&engine.name.peer("our client over http"));
    let service = Service::configured(flavours()[0], &engine.settings());
    led(async {
        let client = client(&service);
        let pool = client
            .open_pool(PoolOptions { max_runspaces: 2, ..PoolOptions::default() })
            .await
            .unwrap();
        let (output, state) = finish(&pool, "1; 'zwei ß'; Write-Warning w").await.unwrap();
        assert_eq!(
            (output, state),
            (vec![Value::Int32(1), Value::from("zwei ß")], PipelineState::Completed)
        );

        let mut asking = PipelineOptions::new(power_shell("'<' + (Read-Host) + '>'"));
        asking.host_info.use_runspace_host = false;
        asking.host_info.is_host_null = false;
        asking.host_info.is_host_ui_null = false;
        let mut pipeline = pool.invoke(asking).await.unwrap();
        let mut told = Vec::new();
        while let Some(event) = pipeline.next().await.unwrap() {
            match event {
                PipelineEvent::HostCall(call) => {
                    let result = HostResult::Value(Value::from("typed"));
                    let response =
                        HostResponse { call_id: call.call_id, method: call.method, result };
                    pipeline.input().respond(response).await.unwrap();
                }
                PipelineEvent::Record(Record::Output(value)) => told.push(value),
                _ => {}
            }
        }
        assert_eq!(told, [Value::from("<typed>")]);

        let mut counting = PipelineOptions::new(power_shell("$input | ForEach-Object { $_ + 1 }"));
        counting.takes_input = true;
        let mut pipeline = pool.invoke(counting).await.unwrap();
        let input = pipeline.input();
        for number in 0..3 {
            input.write(Value::Int32(number)).await.unwrap();
        }
        input.end().await.unwrap();
        assert_eq!(outputs(&mut pipeline).await.unwrap().0, [1, 2, 3].map(Value::Int32));

        assert!(pool.set_max_runspaces(3).await.unwrap());
        let mut sleeping = pool.invoke(options("Start-Sleep -Seconds 60")).await.unwrap();
        sleeping.input().stop().await.unwrap();
        assert_eq!(outputs(&mut sleeping).await.unwrap().1, PipelineState::Stopped);

        let (output, _) = finish(&pool, "Get-Large 20").await.unwrap();
        let length = |value: &Value| value.as_text().map_or(0, |text| text.to_string_lossy().len());
        assert_eq!(output.iter().map(length).sum::<usize>(), 20 * 1024 * 1024);
        drop(sleeping);
        pool.close().await.unwrap();
    });
    tool::until("the shell has ended", || service.log().contains("shell ended"));
}

pub(crate) fn led<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn client(service: &Service) -> Client {
    client_at(service.port)
}

/// A client of the service, or of what stands before it, at that port of loopback.
pub(crate) fn client_at(port: u16) -> Client {
    client_of(USER, port)
}

/// The same for any account.
pub(crate) fn client_of(user: &str, port: u16) -> Client {
    let credentials = Credentials { user: user.to_owned(), password: PASSWORD.into() };
    let mut config = Config::new(format!("http://127.0.0.1:{port}").parse().unwrap(), credentials);
    config.authentication = Authentication::Ntlm;
    Client::new(config).unwrap()
}

fn power_shell(script: &str) -> PowerShell {
    PowerShell { statements: vec![vec![Command::script(script)]], ..PowerShell::default() }
}

pub(crate) fn options(script: &str) -> PipelineOptions {
    PipelineOptions::new(power_shell(script))
}

/// What a script writes and how it ends, or why that is not known.
pub(crate) async fn finish(
    pool: &Pool,
    script: &str,
) -> Result<(Vec<Value>, PipelineState), String> {
    let mut pipeline = pool.invoke(options(script)).await.map_err(|error| error.to_string())?;
    outputs(&mut pipeline).await
}

/// What a pipeline writes and how it ends, or why that is not known.
pub(crate) async fn outputs(
    pipeline: &mut client::Pipeline,
) -> Result<(Vec<Value>, PipelineState), String> {
    let (mut output, mut end) = (Vec::new(), None);
    while let Some(event) = pipeline.next().await.map_err(|error| error.to_string())? {
        match event {
            PipelineEvent::Record(Record::Output(value)) => output.push(value),
            PipelineEvent::Ended { state, .. } => end = Some(state),
            _ => {}
        }
    }
    Ok((output, end.unwrap()))
}

/// Text that packs badly, the same each time.
fn noise(length: usize) -> String {
    let mut state = 1_u64;
    let sign = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
    };
    (0..length).map(sign).collect()
}

#[test]
fn compressed_pool_carries_much_in_both_directions() {
    let engine = Reachable::find();
    report(&engine.name.peer("our client, compressed"));
    let service = Service::configured(flavours()[0], &engine.settings());
    led(async {
        let options = PoolOptions { compression: true, ..PoolOptions::default() };
        let pool = client(&service).open_pool(options).await.unwrap();
        let (output, _) = finish(&pool, "Get-Large 10").await.unwrap();
        let length = |value: &Value| value.as_text().map_or(0, |text| text.to_string_lossy().len());
        assert_eq!(output.iter().map(length).sum::<usize>(), 10 * 1024 * 1024);

        let given = ["y".repeat(3 << 20), noise(3 << 20), String::new(), "ß😀".repeat(100_000)];
        let mut echo = PipelineOptions::new(power_shell("$input"));
        echo.takes_input = true;
        let mut pipeline = pool.invoke(echo).await.unwrap();
        let input = pipeline.input();
        let sender = async {
            for text in &given {
                input.write(Value::from(text.as_str())).await.unwrap();
            }
            input.end().await.unwrap();
        };
        let ((), told) = tokio::join!(sender, outputs(&mut pipeline));
        let (output, state) = told.unwrap();
        assert_eq!(state, PipelineState::Completed);
        assert!(output == given.map(Value::from), "{} objects came back", output.len());
        pool.close().await.unwrap();
    });
}

#[test]
fn programs_that_are_no_engine_break_the_pool_and_are_ended() {
    let lines = "<Data Stream='Default' PSGuid='00000000-0000-0000-0000-000000000000'>AAAA</Data>";
    for script in [
        format!("while echo \"{lines}\"; do :; done"),
        "cat /dev/zero".to_owned(),
        "yes garbage | tr -d '\\n'".to_owned(),
        "echo garbage; exit 3".to_owned(),
    ] {
        let mark = tool::mark();
        let words = ["/bin/sh".to_owned(), "-c".to_owned(), format!("{script} # {mark}")];
        let service =
            Service::configured(flavours()[0], &format!("[PowerShell]\nCommand = {words:?}\n"));
        let error = led(async {
            let opened = client(&service).open_pool(PoolOptions::default()).await;
            opened.map(drop).unwrap_err().to_string()
        });
        assert!(
            error.contains("engine went wrong") || error.contains("engine has ended"),
            "{error}"
        );
        tool::until("the program is gone", || tool::processes_with(&mark).is_empty());
        // The service goes on.
        service.run("exit 5").ended(5);
    }
}

#[test]
fn pools_and_pipelines_beyond_a_quota_are_refused_and_the_others_go_on() {
    let engine = Reachable::find();
    let settings = "[Winrs]\nMaxShellsPerUser = 2\n[Service]\nMaxConcurrentOperationsPerUser = 4\n";
    let service = Service::configured(flavours()[0], &format!("{settings}{}", engine.settings()));
    led(async {
        let client = client(&service);
        let several = || PoolOptions { max_runspaces: 5, ..PoolOptions::default() };
        let first = client.open_pool(several()).await.unwrap();
        let second = client.open_pool(several()).await.unwrap();
        let refused = client.open_pool(several()).await.map(drop).unwrap_err().to_string();
        assert!(refused.contains("MaxShellsPerUser"), "{refused}");

        // Each pool is an operation, and so is each pipeline.
        let mut sleeping = first.invoke(options("Start-Sleep -Seconds 60; 1")).await.unwrap();
        let mut other = first.invoke(options("Start-Sleep -Seconds 60; 2")).await.unwrap();
        let refused = finish(&second, "3").await.unwrap_err();
        assert!(refused.contains("MaxConcurrentOperationsPerUser"), "{refused}");

        for pipeline in [&mut sleeping, &mut other] {
            pipeline.input().stop().await.unwrap();
            assert_eq!(outputs(pipeline).await.unwrap().1, PipelineState::Stopped);
        }
        // The places of a pool's pipelines are free with it, whatever is left of them.
        first.close().await.unwrap();
        assert_eq!(finish(&second, "3").await.unwrap().0, [Value::Int32(3)]);
        second.close().await.unwrap();
        client.open_pool(several()).await.unwrap().close().await.unwrap();
    });
    tool::until("every shell has ended", || service.log().matches("shell ended").count() == 3);
}

#[test]
fn remote_management_users_open_pools_and_no_command_shell() {
    if !nix::unistd::Uid::effective().is_root() {
        report(
            "SKIPPED remote_management_users_open_pools_and_no_command_shell: a second account needs root",
        );
        return;
    }
    let engine = Reachable::find();
    let service = Service::configured(crate::service::Flavour::Root, &engine.settings());
    service.add_member("bob", "daemon", "Remote Management Users").ended(0);
    let output = led(async {
        let pool = client_of("bob", service.port).open_pool(PoolOptions::default()).await.unwrap();
        let output = finish(&pool, "'in'").await.unwrap().0;
        pool.close().await.unwrap();
        output
    });
    assert_eq!(output, [Value::from("in")]);
    let mut command = tool::winrs();
    command.arg(format!("-r:{}", service.url)).arg("-u:bob").env("TRANSOM_PASSWORD", PASSWORD);
    let refused = tool::run(command.arg("echo in"));
    assert!(refused.ended(255).stderr.contains("ccess is denied"), "{:?}", service.log());
}

#[test]
fn fifty_pools_run_four_pipelines_each_at_once() {
    const POOLS: i32 = 50;
    let engine = Reachable::find();
    report(&engine.name.peer("50 pools with 4 pipelines each, our client"));
    let service = Service::configured(flavours()[0], &engine.settings());
    led(async {
        let client = client(&service);
        let mut work = tokio::task::JoinSet::new();
        for number in 0..POOLS {
            let client = client.clone();
            work.spawn(async move {
                let options = PoolOptions { max_runspaces: 4, ..PoolOptions::default() };
                let pool = client.open_pool(options).await.unwrap();
                let scripts = [0, 1, 2, 3]
                    .map(|script| format!("Start-Sleep -Milliseconds 20; {}", number * 4 + script));
                let [first, second, third, fourth] = &scripts;
                let told = tokio::join!(
                    finish(&pool, first),
                    finish(&pool, second),
                    finish(&pool, third),
                    finish(&pool, fourth),
                );
                let told = [told.0, told.1, told.2, told.3].map(|told| told.unwrap().0);
                pool.close().await.unwrap();
                told.concat()
            });
        }
        let mut all: Vec<i32> = Vec::new();
        while let Some(told) = work.join_next().await {
            all.extend(told.unwrap().iter().filter_map(Value::as_i32));
        }
        all.sort_unstable();
        assert_eq!(all, (0..POOLS * 4).collect::<Vec<_>>());
    });
    tool::until("every shell has ended", || {
        service.log().matches("shell ended").count() == usize::try_from(POOLS).unwrap()
    });
}

#[test]
fn pool_that_is_left_behind_goes_with_its_engine_when_its_idle_time_is_over() {
    let engine = Reachable::find();
    let settings = engine.settings();
    let service = Service::configured(flavours()[0], &settings);
    let pid = led(async {
        let options = PoolOptions {
            idle_timeout: Some(std::time::Duration::from_secs(60)),
            ..PoolOptions::default()
        };
        let pool = client(&service).open_pool(options).await.unwrap();
        let (output, _) = finish(&pool, "$PID").await.unwrap();
        // Whoever held it is killed: nobody closes it.
        std::mem::forget(pool);
        output.first().and_then(Value::as_i32).unwrap()
    });
    let runs = || Path::new("/proc").join(pid.to_string()).exists();
    assert!(runs());
    // A minute is the shortest idle time that there is.
    tool::until("the engine is gone", || !runs());
    service.has_said("reason=\"idle\"");
}
