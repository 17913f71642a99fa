"""A configuration whose only model has a price: 1 and 2 micros a token."""

from typing import Any


def priced_platform(base_url: str) -> dict[str, Any]:
    """One pool for summaries with one member, at a vendor under this address."""
    terms = {"region": "local", "processor": "test", "no_training": True, "zero_retention": True}
    price = {
        "currency": "EUR",
        "input_micros": 1_000_000,
        "cached_input_micros": 500_000,
        "output_micros": 2_000_000,
        "reasoning_micros": 2_000_000,
    }
    return {
        "providers": [
            {"name": "vendor", "kind": "openai_compatible", "vendor": "test", "base_url": base_url, **terms}
        ],
        "deployments": [
            {
                "name": "scripted",
                "provider": "vendor",
                "model_name": "scripted",
                "capabilities": ["json_schema"],
                "context_window": 8192,
                "max_output_tokens": 1024,
                "price": price,
            }
        ],
        "pools": [
            {
                "name": "scripted",
                "task_type": "summarize",
                "members": [{"deployment": "scripted", "prompt_set": "default"}],
            }
        ],
        "routes": [{"name": "scripted", "task_type": "summarize", "pool": "scripted"}],
    }
