"""LiteLLM's Router as a peer, run by a Python of its own: `python litellm_router.py FOLDER URL default|tuned`.

A line on stdin asks: {"model", "in_flight", "requests"}; a line on stdout answers: {"cpu_ms", "latencies_ms", "failed"}.
"""

import asyncio
import json
import sys
from dataclasses import asdict
from typing import Any


async def serve(url: str, manner: str) -> None:
    """Answer until stdin ends."""
    import litellm  # type: ignore[import-not-found]
    from samples import sample  # type: ignore[import-not-found]

    litellm.suppress_debug_info = True
    tuned: dict[str, Any] = (
        {"num_retries": 0, "allowed_fails": 0, "cooldown_time": 60} if manner == "tuned" else {}
    )
    router = litellm.Router(
        model_list=[
            {
                "model_name": name,
                "litellm_params": {"model": f"openai/{name}", "api_base": url, "api_key": "sk-none"},
            }
            for name in ("alpha", "dead")
        ],
        fallbacks=[{"dead": ["alpha"]}],
        **tuned,
    )
    messages = [{"role": "system", "content": "Answer."}, {"role": "user", "content": "[B1] Revenue rose."}]
    loop = asyncio.get_running_loop()
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        failed = 0

        async def call(model: str = asked["model"]) -> None:
            nonlocal failed
            try:
                await router.acompletion(model=model, messages=messages, max_tokens=50)
            except Exception:  # noqa: BLE001 - whatever a peer raises is a failed request
                failed += 1

        got = await sample(call, in_flight=asked["in_flight"], requests=asked["requests"])
        print(json.dumps({**asdict(got), "failed": failed}), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    asyncio.run(serve(sys.argv[2], sys.argv[3]))
