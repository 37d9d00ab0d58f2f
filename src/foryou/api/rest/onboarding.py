"""Which routes welcome a newcomer? GET gives what to ask, POST takes in the answers."""

import msgspec
from litestar import get, post
from litestar.types import ASGIApp

from foryou.api import schema
from foryou.api.decoding import converted, decoded
from foryou.api.rest.openapi import operation
from foryou.api.rest.reading import Request, body_of, path_id, query_of, service_of
from foryou.api.rest.writing import PUBLIC, reply

_answers = msgspec.json.Decoder(schema.OnboardingIn)


@get("/v1/onboarding/questions", opt=operation(schema.Questions, query=("num",)))
async def questions(request: Request) -> ASGIApp:
    """Give what to ask a newcomer: categories to choose from, and items to like or dislike."""
    ask = converted(query_of(request), schema.QuestionsAsk)
    return reply(await service_of(request).onboarding.questions(ask.num), PUBLIC)


@post(
    "/v1/users/{user_id:str}/onboarding",
    status_code=200,
    opt=operation(schema.OnboardingOut, takes=schema.OnboardingIn),
)
async def answer_questions(request: Request) -> ASGIApp:
    """Store what a newcomer answered; the next recommendations follow it."""
    user_id, body = path_id(request, "user_id"), decoded(_answers, await body_of(request))
    return reply(await service_of(request).onboarding.answer(user_id, body))


ROUTES = (questions, answer_questions)
