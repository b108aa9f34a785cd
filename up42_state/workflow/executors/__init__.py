"""Units of a run on other machines or in other processes: by Dask, or by a pool of ``concurrent.futures``."""
