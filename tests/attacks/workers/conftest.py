"""The fleet that the attacks on jobs are aimed at: two workers and a beat, shared by all of them."""

import pytest
from kept_services import KeptServices, ServicePlan
from worker_fleet import Fleet


@pytest.fixture(scope="session")
def workers(kept_services: KeptServices) -> Fleet:
    """Two workers, as the attack before has left them: alive, whatever it did."""
    return kept_services.emptied(ServicePlan(workers=2)).fleet
