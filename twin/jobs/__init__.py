"""Jobs: a fair queue, one executor interface, and the worker processes (or Dask cluster) behind it."""
