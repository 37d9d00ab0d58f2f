from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Context(_message.Message):
    __slots__ = ("placement", "device", "search", "category", "location")
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    placement: str
    device: str
    search: str
    category: str
    location: str
    def __init__(self, placement: _Optional[str] = ..., device: _Optional[str] = ..., search: _Optional[str] = ..., category: _Optional[str] = ..., location: _Optional[str] = ...) -> None: ...

class RecommendRequest(_message.Message):
    __slots__ = ("user_id", "anonymous_id", "session_id", "context", "num_results", "item_id", "exclude_item_ids", "filter", "explain", "language", "personalize", "deadline_ms", "cursor")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ANONYMOUS_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    NUM_RESULTS_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    PERSONALIZE_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    anonymous_id: str
    session_id: str
    context: Context
    num_results: int
    item_id: str
    exclude_item_ids: _containers.RepeatedScalarFieldContainer[str]
    filter: str
    explain: bool
    language: str
    personalize: bool
    deadline_ms: int
    cursor: str
    def __init__(self, user_id: _Optional[str] = ..., anonymous_id: _Optional[str] = ..., session_id: _Optional[str] = ..., context: _Optional[_Union[Context, _Mapping]] = ..., num_results: _Optional[int] = ..., item_id: _Optional[str] = ..., exclude_item_ids: _Optional[_Iterable[str]] = ..., filter: _Optional[str] = ..., explain: _Optional[bool] = ..., language: _Optional[str] = ..., personalize: _Optional[bool] = ..., deadline_ms: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ("code", "text", "because")
    CODE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BECAUSE_FIELD_NUMBER: _ClassVar[int]
    code: str
    text: str
    because: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, code: _Optional[str] = ..., text: _Optional[str] = ..., because: _Optional[_Iterable[str]] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("item_id", "rank", "score", "source", "reason", "title", "sponsored", "variant", "image")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SPONSORED_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    rank: int
    score: float
    source: str
    reason: Reason
    title: str
    sponsored: bool
    variant: str
    image: str
    def __init__(self, item_id: _Optional[str] = ..., rank: _Optional[int] = ..., score: _Optional[float] = ..., source: _Optional[str] = ..., reason: _Optional[_Union[Reason, _Mapping]] = ..., title: _Optional[str] = ..., sponsored: _Optional[bool] = ..., variant: _Optional[str] = ..., image: _Optional[str] = ...) -> None: ...

class Experiment(_message.Message):
    __slots__ = ("name", "arm")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    name: str
    arm: str
    def __init__(self, name: _Optional[str] = ..., arm: _Optional[str] = ...) -> None: ...

class RecommendResponse(_message.Message):
    __slots__ = ("recommendation_id", "items", "model_version", "experiment", "degraded", "took_ms", "next_cursor")
    RECOMMENDATION_ID_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    TOOK_MS_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    recommendation_id: str
    items: _containers.RepeatedCompositeFieldContainer[Item]
    model_version: str
    experiment: Experiment
    degraded: _containers.RepeatedScalarFieldContainer[str]
    took_ms: float
    next_cursor: str
    def __init__(self, recommendation_id: _Optional[str] = ..., items: _Optional[_Iterable[_Union[Item, _Mapping]]] = ..., model_version: _Optional[str] = ..., experiment: _Optional[_Union[Experiment, _Mapping]] = ..., degraded: _Optional[_Iterable[str]] = ..., took_ms: _Optional[float] = ..., next_cursor: _Optional[str] = ...) -> None: ...

class BatchRecommendRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[RecommendRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[RecommendRequest, _Mapping]]] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ("code", "detail", "field")
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    code: int
    detail: str
    field: str
    def __init__(self, code: _Optional[int] = ..., detail: _Optional[str] = ..., field: _Optional[str] = ...) -> None: ...

class RecommendResult(_message.Message):
    __slots__ = ("response", "problem")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    response: RecommendResponse
    problem: Problem
    def __init__(self, response: _Optional[_Union[RecommendResponse, _Mapping]] = ..., problem: _Optional[_Union[Problem, _Mapping]] = ...) -> None: ...

class BatchRecommendResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[RecommendResult]
    def __init__(self, results: _Optional[_Iterable[_Union[RecommendResult, _Mapping]]] = ...) -> None: ...

class SimilarRequest(_message.Message):
    __slots__ = ("item_id", "user_id", "num_results", "language", "deadline_ms")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    NUM_RESULTS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    user_id: str
    num_results: int
    language: str
    deadline_ms: int
    def __init__(self, item_id: _Optional[str] = ..., user_id: _Optional[str] = ..., num_results: _Optional[int] = ..., language: _Optional[str] = ..., deadline_ms: _Optional[int] = ...) -> None: ...

class RankRequest(_message.Message):
    __slots__ = ("user_id", "item_ids", "deadline_ms", "session_id")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    item_ids: _containers.RepeatedScalarFieldContainer[str]
    deadline_ms: int
    session_id: str
    def __init__(self, user_id: _Optional[str] = ..., item_ids: _Optional[_Iterable[str]] = ..., deadline_ms: _Optional[int] = ..., session_id: _Optional[str] = ...) -> None: ...

class RankedItem(_message.Message):
    __slots__ = ("item_id", "rank", "score")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    rank: int
    score: float
    def __init__(self, item_id: _Optional[str] = ..., rank: _Optional[int] = ..., score: _Optional[float] = ...) -> None: ...

class RankResponse(_message.Message):
    __slots__ = ("items", "left_out_item_ids", "model_version", "degraded", "took_ms")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    TOOK_MS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[RankedItem]
    left_out_item_ids: _containers.RepeatedScalarFieldContainer[str]
    model_version: str
    degraded: _containers.RepeatedScalarFieldContainer[str]
    took_ms: float
    def __init__(self, items: _Optional[_Iterable[_Union[RankedItem, _Mapping]]] = ..., left_out_item_ids: _Optional[_Iterable[str]] = ..., model_version: _Optional[str] = ..., degraded: _Optional[_Iterable[str]] = ..., took_ms: _Optional[float] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("user_id", "action", "item_id", "event_id", "at_ms", "value", "unit", "quantity", "query", "session_id", "recommendation_id", "position", "context")
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDATION_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    action: str
    item_id: str
    event_id: str
    at_ms: int
    value: float
    unit: str
    quantity: int
    query: str
    session_id: str
    recommendation_id: str
    position: int
    context: _containers.ScalarMap[str, str]
    def __init__(self, user_id: _Optional[str] = ..., action: _Optional[str] = ..., item_id: _Optional[str] = ..., event_id: _Optional[str] = ..., at_ms: _Optional[int] = ..., value: _Optional[float] = ..., unit: _Optional[str] = ..., quantity: _Optional[int] = ..., query: _Optional[str] = ..., session_id: _Optional[str] = ..., recommendation_id: _Optional[str] = ..., position: _Optional[int] = ..., context: _Optional[_Mapping[str, str]] = ...) -> None: ...

class RecordRequest(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("index", "code", "detail", "field")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    index: int
    code: str
    detail: str
    field: str
    def __init__(self, index: _Optional[int] = ..., code: _Optional[str] = ..., detail: _Optional[str] = ..., field: _Optional[str] = ...) -> None: ...

class RecordResponse(_message.Message):
    __slots__ = ("received", "accepted", "duplicates", "rejected", "event_ids")
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    received: int
    accepted: int
    duplicates: int
    rejected: _containers.RepeatedCompositeFieldContainer[Rejection]
    event_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, received: _Optional[int] = ..., accepted: _Optional[int] = ..., duplicates: _Optional[int] = ..., rejected: _Optional[_Iterable[_Union[Rejection, _Mapping]]] = ..., event_ids: _Optional[_Iterable[str]] = ...) -> None: ...
