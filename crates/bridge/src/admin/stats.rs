//! `/stats` and `/stats/prometheus`.

use super::query::Query;
use super::{Admin, AdminResponse, JSON, Refusal};
use crate::stats::{Filter, Snapshot};

pub(super) fn answer(admin: &Admin, query: &Query<'_>) -> Result<AdminResponse, Refusal> {
    if query.value("format") == Some("prometheus") {
        return answer_prometheus(admin, query);
    }
    let snapshot = wanted(admin, query)?;
    Ok(match query.wants_json()? {
        true => AdminResponse { content_type: JSON, ..AdminResponse::ok(snapshot.to_json().to_string()) },
        false => AdminResponse::ok(snapshot.to_text()),
    })
}

pub(super) fn answer_prometheus(admin: &Admin, query: &Query<'_>) -> Result<AdminResponse, Refusal> {
    Ok(AdminResponse::ok(wanted(admin, query)?.to_prometheus()))
}

fn wanted(admin: &Admin, query: &Query<'_>) -> Result<Snapshot, Refusal> {
    let filter = Filter { name: query.regex("filter")?, used_only: query.has("usedonly") };
    Ok(admin.snapshot().filtered(&filter))
}
