"""Where does a team look up what was trained? In MLflow: parameters, figures, the report, a version with an alias."""

import os
import re
from collections.abc import Mapping
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from foryou.domain.bundle import ModelBundle
from foryou.domain.errors import Unavailable

CANDIDATE, CHAMPION = "candidate", "champion"
_TAG = "foryou.version"
_BUNDLE = "foryou.bundle"  # where it lies
_BAD = re.compile(r"[^\w\-. /:]")  # what MLflow takes in no name of a figure


def track(uri: str, model: str, bundle: ModelBundle, settings: Mapping[str, Any], where: str) -> str:
    """Log a bundle as a run and as a version of `model`, alias `candidate`; gives the run's id.

    `where`: the URL of the model store. A bundle that was logged before is not logged again. Raises Unavailable.
    """
    if "://" not in uri or uri.startswith("file:"):
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # else mlflow-skinny refuses folders
    version = bundle.manifest.version
    try:
        client = MlflowClient(uri, uri)
        run = _run(client, model, version)
        for name, value in settings.items():
            client.log_param(run, name, value)
        client.log_param(run, "ranker", bundle.manifest.ranker)
        for name, value in (bundle.manifest.report | bundle.manifest.gate.metrics).items():
            client.log_metric(run, _BAD.sub("_", name), value)
        for path in bundle.files.values():
            if path.suffix == ".html":
                client.log_artifact(run, str(path))
        client.set_tag(run, "gate", bundle.manifest.gate.verdict)
        client.set_tag(run, "gate.reason", bundle.manifest.gate.reason[:5_000])
        _registered(client, model, version, run, f"{where.rstrip('/')}/bundles/{version}")
        client.set_terminated(run)
    except MlflowException as error:
        raise Unavailable(f"MLflow at {uri} did not take bundle {version}: {error}") from error
    return run


def promoted(uri: str, model: str, version: str) -> None:
    """Give the alias `champion` to the version that was put in force. Raises Unavailable."""
    try:
        client = MlflowClient(uri, uri)
        for one in client.search_model_versions(f"name = '{model}'"):
            if one.tags.get(_TAG) == version:
                client.set_registered_model_alias(model, CHAMPION, one.version)
    except MlflowException as error:
        raise Unavailable(f"MLflow at {uri} did not take the alias of {version}: {error}") from error


def _run(client: MlflowClient, model: str, version: str) -> str:
    """Give the run of this bundle, a new one if there is none."""
    known = client.get_experiment_by_name(model)
    experiment = known.experiment_id if known else client.create_experiment(model)
    for run in client.search_runs([experiment], f"tags.`{_TAG}` = '{version}'", max_results=1):
        return str(run.info.run_id)
    return str(client.create_run(experiment, tags={_TAG: version}, run_name=version).info.run_id)


def _registered(client: MlflowClient, model: str, version: str, run: str, source: str) -> None:
    try:
        client.get_registered_model(model)
    except MlflowException:
        client.create_registered_model(model)
    for one in client.search_model_versions(f"name = '{model}'"):
        if one.tags.get(_TAG) == version:
            return
    local = source.startswith("file:") and not client.tracking_uri.startswith("file:") and "://" in client.tracking_uri
    place = client.get_run(run).info.artifact_uri if local else source  # a server takes no folder of another machine
    made = client.create_model_version(model, place, run, tags={_TAG: version, _BUNDLE: source})
    client.set_registered_model_alias(model, CANDIDATE, made.version)
