//! One file a command, and the context they share: where to print, what holds, and the ledger.

mod adopt;
mod awake;
mod check;
mod completions;
mod context;
mod dashboard;
mod enqueue;
mod files;
mod finish;
mod init;
mod knowledge;
mod list;
mod manifest_schema;
mod manifests;
mod models;
mod new;
mod notice;
mod plan;
mod present;
mod repair;
mod report;
mod requeue;
mod resolve;
mod run;
mod show;
mod simulate;
mod sink;
mod spool;
mod status;
mod stdio;
mod table;
mod verify;

use crate::cli::{ApiArgs, Cli, Command, Common, ListArgs, StatusArgs, VerifyArgs};
use crate::domain::JobState;
use crate::exit::Exit;
use crate::settings::Partial;

pub use context::{Context, Failure};

/// Does what was typed, on a runtime of its own. It stands here and not in `main`, so that the whole
/// program is compiled once, in the library.
pub fn execute(cli: Cli) -> Result<Exit, Failure> {
    #[cfg(feature = "kill-points")]
    crate::settings::arm_kill_points();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)?;
    let result = runtime.block_on(dispatch(cli)).and_then(|exit| {
        stdio::stdout().flush().map_err(anyhow::Error::from)?;
        Ok(exit)
    });
    // Whatever still runs after a second signal may end with the process.
    runtime.shutdown_background();
    result
}

async fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    let Cli { command, common } = cli;
    let open = |flags: Partial| Context::open(&common, flags);
    match command {
        Command::Run(args) => run::run(&common, args).await,
        Command::Plan(args) => plan_command(&common, args).await,
        Command::Status(args) => done(status_command(open(Partial::default())?, &args).await),
        Command::List(args) => done(list::list(&mut open(Partial::default())?, &wish(args)).await),
        Command::Show { job } => done(show::show(&mut open(Partial::default())?, &job).await),
        Command::Requeue(args) => {
            let mut cx = open(Partial::default())?;
            done(requeue::requeue(&mut cx, &args.names, (args.failed, args.pay_again)).await)
        }
        Command::Cancel(args) => {
            done(requeue::cancel(&mut open(Partial::default())?, &args.names).await)
        }
        Command::Resolve(mut args) => {
            let simulation = simulate::Simulation::asked(&mut args.api)?;
            let mut cx = open(args.api.partial())?;
            done(resolve::resolve(&mut cx, &args, simulation).await)
        }
        Command::Verify(args) => verify_command(&common, args).await,
        Command::Simulate(args) => {
            done(simulate::simulate(&mut open(Partial::default())?, &args).await)
        }
        Command::Completions { shell } => completions::completions(shell),
        Command::Man => completions::man(),
        Command::ManifestSchema => manifest_schema::manifest_schema(),
        Command::Report { batch } => {
            done(report::report(&mut open(Partial::default())?, batch.as_deref()).await)
        }
        Command::Dashboard { port } => {
            done(dashboard::dashboard(&mut open(Partial::default())?, port).await)
        }
        Command::New(mut args) => {
            let simulation = simulate::Simulation::asked(&mut args.api)?;
            let mut cx = open(args.api.partial())?;
            done(new::new(&mut cx, &args, simulation.as_ref()).await)
        }
        Command::Models(mut args) => {
            let simulation = simulate::Simulation::asked(&mut args.api)?;
            let mut cx = open(args.api.partial())?;
            done(models::models(&mut cx, &args, simulation.as_ref()).await)
        }
        Command::Check(args) => check_command(&common, args).await,
        Command::Init => init::init(),
    }
}

async fn status_command(mut cx: Context, args: &StatusArgs) -> anyhow::Result<Exit> {
    if args.watch {
        return status::watch(&mut cx, &args.batches).await;
    }
    status::status(&mut cx, &args.batches).await
}

async fn verify_command(common: &Common, mut args: VerifyArgs) -> Result<Exit, Failure> {
    let simulation = simulate::Simulation::asked(&mut args.api)?;
    let mut cx = Context::open(common, args.api.partial())?;
    cx.simulated(simulation.is_some());
    let batch = args.batch.as_deref();
    if args.repair {
        return done(repair::repair(&mut cx, batch, simulation).await);
    }
    done(verify::verify(&mut cx, batch).await)
}

async fn check_command(common: &Common, mut args: ApiArgs) -> Result<Exit, Failure> {
    let simulation = simulate::Simulation::asked(&mut args)?;
    let mut cx = Context::open(common, args.partial())?;
    cx.simulated(simulation.is_some());
    done(check::check(&mut cx, simulation).await)
}

async fn plan_command(common: &Common, mut args: crate::cli::PlanArgs) -> Result<Exit, Failure> {
    let simulation = simulate::give_back(&mut args.api, &mut args.manifest.manifests)?;
    let flags = args.manifest.partial().over(args.api.partial());
    let (mut cx, mut opened) = manifests::open("plan", common, flags, &args.manifest)?;
    cx.simulated(simulation.is_some());
    if let Some(path) = &args.output_file {
        sink::check_plan(path, &cx, &opened).map_err(anyhow::Error::from)?;
    }
    let known = knowledge::of(&mut cx, &mut opened, simulation.as_ref()).await?;
    if let Some(lack) = known.lack() {
        cx.note(&format!("{lack}; their rows were not checked"))?;
    }
    let asked = plan::Asked { simulation, quote: args.quote, rows: args.rows };
    done(plan::plan(&mut cx, &opened, &asked, args.output_file.as_deref()).await)
}

fn done(result: anyhow::Result<Exit>) -> Result<Exit, Failure> {
    result.map_err(Failure::from)
}

fn wish(args: ListArgs) -> list::Wish {
    let mut states = args.states;
    if args.failed {
        states.push(JobState::Failed);
    }
    list::Wish { batch: args.batch, states, long: args.long }
}
