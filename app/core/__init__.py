"""The ground floor: database, errors, crypto, redis, logging, clock. Knows nothing of the product."""
