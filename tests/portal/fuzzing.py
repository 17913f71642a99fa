"""Schemathesis over the OpenAPI document: each door's operations with its own credentials and real ids."""

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
_SECONDS = 20.0
_YAML = "application/yaml"
_FILES = (
    "",
    "pools: []",
    "[1, 2",
    "pools: 7",
    "unknown: {}",
    "a: &a [*a]",
    "!!python/object/apply:os.system ['true']",
    "\x00",
    "- " * 5_000,
    "{" * 5_000,
)
"""Files to import: empty, sound, broken, of the wrong shape, hostile, and too deep."""
_MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
_IN_BODIES = ("member_id", "client_id")
PART = b"Tea comes late"


@dataclass
class Fuzzer:
    """Sends generated requests to a running API and keeps what is wrong with the answers."""

    origin: str
    document: dict[str, Any]
    seeds: Mapping[str, str]
    """Ids of things that exist, by the name of the parameter or field, or "path name" for one place only."""
    found: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, Counter[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
        self._schema = schemathesis.openapi.from_dict(self.document, config=config)
        self._http = requests.Session()
        self._http.trust_env = False

    def close(self) -> None:
        """End the connections."""
        self._http.close()

    @property
    def cases(self) -> int:
        """Requests sent."""
        return sum(counted.total() for counted in self.statuses.values())

    def run(self, method: str, path: str, headers: Mapping[str, str], examples: int) -> None:
        """Try an operation with so many generated requests of each kind: those that conform and those that do not.

        The same every time: nothing of it hangs on chance.
        """
        operation = self._schema[path][method.upper()]
        if any(one.media_type == _YAML for one in operation.body):
            # What schemathesis would generate is JSON's like; a file goes wrong in ways of its own.
            for text in _FILES:
                case = operation.Case(body=text.encode(), media_type=_YAML, headers={"If-Match": '"1"'})
                self._send(case, headers)
            return
        for mode in _MODES:
            if mode is GenerationMode.NEGATIVE and not (operation.body or any(operation.iter_parameters())):
                continue
            try:
                self._run(operation, mode, headers, examples)
            except Unsatisfiable:
                # Any word may stand in the path: nothing is against the document.
                if mode is GenerationMode.POSITIVE:
                    raise

    def _run(
        self,
        operation: APIOperation[Any, Any, Any, Any],
        mode: GenerationMode,
        headers: Mapping[str, str],
        examples: int,
    ) -> None:
        turn = itertools.count()

        @settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def send(case: Case[Any]) -> None:
            # Two of three meet what exists; what is generated whole is mostly not found.
            if next(turn) % 3 != 1:
                self._plant(case)
            self._send(case, headers)

        send()

    def _plant(self, case: Case[Any]) -> None:
        """Put what exists, or would be taken, in the place of what was generated."""
        path = case.operation.path
        for name in case.path_parameters or {}:
            seed = self.seeds.get(f"{path} {name}", self.seeds.get(name))
            if seed is not None:
                case.path_parameters[name] = seed
        if path.endswith("/v1/documents"):
            case.query["name"] = "minutes.txt"
            case.body = PART
        if case.method.upper() == "PUT":
            case.headers["Content-Range"] = f"bytes 0-{len(PART) - 1}/{len(PART)}"
            case.body = PART
        if path == "/portal/v1/settings":
            case.headers.pop("If-Match", None)
        if isinstance(case.body, dict):
            self._plant_body(path, case.body)

    def _plant_body(self, path: str, body: dict[str, Any]) -> None:
        for name in _IN_BODIES:
            if body.get(name) and name in self.seeds:
                body[name] = self.seeds[name]
        if path.endswith("/upload_sessions"):
            body |= {"name": "minutes.txt", "size_bytes": len(PART)}
        if path.endswith(("/jobs", "/estimates", "/batches")):
            body |= {"task_type": "summarize", "input": {"documents": [self.seeds[f"{path} document_id"]]}}
            body |= {"parameters": {}, "start_at": None}

    def _send(self, case: Case[Any], headers: Mapping[str, str]) -> None:
        name = f"{case.operation.method.upper()} {case.operation.path}"
        answer = case.call(self.origin, self._http, dict(headers), allow_redirects=False, timeout=_SECONDS)
        self.statuses.setdefault(name, Counter())[answer.status_code] += 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as group:
            for failure in group.exceptions:
                self.found.setdefault(f"{name}: {failure}"[:300], str(group))
