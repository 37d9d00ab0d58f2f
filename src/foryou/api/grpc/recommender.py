"""Which calls answer questions? Recommendations, alone and many at once, similar items, and the order of a list."""

import asyncio
from typing import Any

import msgspec

from foryou.api import schema
from foryou.api.decoding import converted
from foryou.api.grpc.calls import Calls, deadline_ms, status_of
from foryou.api.grpc.messages import ranking, response, said
from foryou.api.service import Service
from foryou.domain.errors import Invalid
from foryou.ingest.collector import check_id
from foryou.v1 import foryou_pb2 as pb
from foryou.v1 import foryou_pb2_grpc

MAX_ASKS = 100


class Recommender(foryou_pb2_grpc.RecommenderServicer):
    """The service foryou.v1.Recommender."""

    def __init__(self, service: Service, calls: Calls) -> None:
        self._service, self._calls = service, calls

    async def Recommend(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Recommend items."""

        async def body() -> Any:
            return response(await self._service.recommend(self._ask(request, context)))

        return await self._calls("Recommender.Recommend", context, body)

    async def BatchRecommend(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer many questions: they are submitted together, so they share batches."""

        async def body() -> Any:
            if len(request.requests) > MAX_ASKS:
                raise Invalid("requests", f"{len(request.requests):,} questions, limit {MAX_ASKS}", "send fewer")
            answers = [self._result(one, context) for one in request.requests]
            return pb.BatchRecommendResponse(results=await asyncio.gather(*answers))

        return await self._calls("Recommender.BatchRecommend", context, body)

    async def Similar(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Give items like one."""

        async def body() -> Any:
            check_id("item_id", request.item_id)
            ask = self._ask(request, context)
            return response(await self._service.similar(request.item_id, ask))

        return await self._calls("Recommender.Similar", context, body)

    async def Rank(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Order the caller's own items."""

        async def body() -> Any:
            ask = converted({"item_ids": [], **said(request)}, schema.RankAsk)
            limit = deadline_ms(context, ask.deadline_ms, self._service.deadline_ms)
            return ranking(await self._service.rank(msgspec.structs.replace(ask, deadline_ms=limit)))

        return await self._calls("Recommender.Rank", context, body)

    def _ask(self, request: Any, context: Any) -> schema.Ask:
        ask = converted(said(request), schema.Ask)
        limit = deadline_ms(context, ask.deadline_ms, self._service.deadline_ms)
        return msgspec.structs.replace(ask, deadline_ms=limit)

    async def _result(self, request: Any, context: Any) -> Any:
        try:
            return pb.RecommendResult(response=response(await self._service.recommend(self._ask(request, context))))
        except Exception as error:  # noqa: BLE001 - one that is wrong does not spoil the others
            code, status = status_of(error)
            where = error.where.replace("/", ".") if isinstance(error, Invalid) else ""
            return pb.RecommendResult(problem=pb.Problem(code=code.value[0], detail=status.message, field=where))
