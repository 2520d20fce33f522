//! What is known of the models of manifests, asked for before their rows are read. Costs nothing, and
//! models of the built-in table cause no request.

use std::collections::BTreeSet;

use super::context::Context;
use super::manifests::{self, Opened};
use super::simulate::Simulation;
use crate::atlas::Api;
use crate::catalog::{Catalog, Knowledge, builtin};
use crate::plan::WalkError;
use crate::settings::Changed;
use crate::simulator::Simulator;

/// What is known of the models of all manifests, from the API or from the simulator that stands in
/// for it. What the user should know about it is told.
pub(super) async fn of(
    cx: &mut Context,
    opened: &mut [Opened],
    simulation: Option<&Simulation>,
) -> anyhow::Result<Knowledge> {
    let mut models = BTreeSet::new();
    for one in opened.iter() {
        let mut reading = cx.reading(&one.manifest);
        let named = one.manifest.models(|rows| reading.add(rows));
        models.extend(named.map_err(|mistakes| manifests::explain(WalkError::Manifest(mistakes)))?);
    }
    if cx.settings.changed == Some(Changed::Keep)
        && let Some(ledger) = cx.ledger_to_plan().await?
    {
        // A job that is kept is sent as it came in, whatever its row names now.
        for one in opened.iter() {
            models.extend(ledger.pending_models(one.manifest.batch()).await?);
        }
    }
    let asks = models.iter().any(|model| builtin(model).is_none());
    let (mut catalog, simulator) = catalog(cx, simulation.filter(|_| asks)).await?;
    let known = catalog.learn(&models, !cx.settings.no_schema).await;
    if let Some(simulator) = simulator {
        simulator.stop().await;
    }
    for note in &known.notes {
        cx.note(note)?;
    }
    for one in opened {
        one.manifest.know(&known.inputs);
    }
    Ok(known)
}

/// The catalogue of the API, or of a simulator that is started for it.
pub(super) async fn catalog(
    cx: &Context,
    simulation: Option<&Simulation>,
) -> anyhow::Result<(Catalog, Option<Simulator>)> {
    let Some(simulation) = simulation else {
        let api = Api::new(cx.api_settings(cx.settings.base_url.clone(), None))?;
        return Ok((Catalog::new(api, &cx.settings.state_dir), None));
    };
    let simulator = simulation.serve(None).await?;
    let api = Api::new(cx.api_settings(simulator.base_url().clone(), None))?;
    Ok((Catalog::passing(api), Some(simulator)))
}
