"""Arrays as PostgreSQL sends them are read without a number made into text."""

import numpy as np
import pytest
from sqlalchemy import Engine, text

from models.arrays import reals

pytestmark = pytest.mark.xdist_group("sent arrays")


def test_arrays_come_from_postgres_as_they_were_stored(engine: Engine) -> None:
    with engine.connect() as connection:
        sent = connection.execute(text("SELECT array_send('{0.1,NaN,-3.4e38,1e-45}'::real[])")).scalar_one()
        empty = connection.execute(text("SELECT array_send('{}'::real[])")).scalar_one()
        nulls = connection.execute(text("SELECT array_send('{0.1,NULL}'::real[])")).scalar_one()
        doubles = connection.execute(text("SELECT array_send('{0.1,2}'::float8[])")).scalar_one()
    np.testing.assert_array_equal(reals(bytes(sent)), np.array([0.1, np.nan, -3.4e38, 1e-45], np.float32))
    assert reals(bytes(empty)).shape == (0,)
    for other in (nulls, doubles):
        with pytest.raises(ValueError, match=r"numbers of four bytes|buffer size"):
            reals(bytes(other))
