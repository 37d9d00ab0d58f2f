"""Which routes keep the experiments? PUT replaces one, GET shows it or all of them."""

import asyncio

import msgspec
from litestar import get, put
from litestar.types import ASGIApp

from foryou.api import schema
from foryou.api.decoding import decoded
from foryou.api.rest.openapi import operation
from foryou.api.rest.reading import Request, body_of, path_id, query_of, service_of
from foryou.api.rest.writing import FRESH, reply
from foryou.trial.report import ExperimentReport

PATH = "/v1/experiments/{name:str}"
_experiment = msgspec.json.Decoder(schema.ExperimentIn)


@put(PATH, opt=operation(schema.ExperimentOut, takes=schema.ExperimentIn))
async def put_experiment(request: Request) -> ASGIApp:
    """Begin an experiment, or change one: only users whose arm's share shrinks move."""
    name, body = path_id(request, "name"), decoded(_experiment, await body_of(request))
    return reply(await asyncio.to_thread(service_of(request).experiments.put, name, body))


@get(PATH, opt=operation(schema.ExperimentOut, errors=(400, 404, 503)))
async def one_experiment(request: Request) -> ASGIApp:
    """Show an experiment."""
    query_of(request)
    return reply(await asyncio.to_thread(service_of(request).experiments.get, path_id(request, "name")), FRESH)


@get("/v1/experiments", opt=operation(schema.ExperimentsOut))
async def all_experiments(request: Request) -> ASGIApp:
    """Show all experiments, by name."""
    query_of(request)
    return reply(await asyncio.to_thread(service_of(request).experiments.all), FRESH)


@get(f"{PATH}/report", opt=operation(ExperimentReport, errors=(400, 404, 503)))
async def report_experiment(request: Request) -> ASGIApp:
    """Say what came of an experiment so far. It reads the whole log, so ask once a minute, not once a second."""
    query_of(request)
    return reply(await asyncio.to_thread(service_of(request).report, path_id(request, "name")), FRESH)


ROUTES = (put_experiment, one_experiment, all_experiments, report_experiment)
