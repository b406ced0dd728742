"""The sharing lever: tenancy rides along, and only engines that serve adapters are asked to."""

from tests_support import LLAMA_8B, Propose


def test_tenancy_is_in_every_replica(propose: Propose) -> None:
    proposals = propose("multi_tenant", LLAMA_8B, gpu_ids=("l4-24gb",), tenants=20, adapters=20)
    assert proposals
    for each in proposals:
        assert each.replica is not None
        assert each.replica.tenancy is not None
        assert (each.replica.tenancy.tenants, each.replica.tenancy.adapters) == (20, 20)
        assert each.replica.engine.multi_lora
        assert {"20 tenants", "20 LoRA adapters", "shared paged KV"} <= set(each.levers)


def test_one_tenant_is_still_a_fleet(propose: Propose) -> None:
    proposals = propose("multi_tenant", LLAMA_8B, gpu_ids=("l4-24gb",))
    assert proposals
    assert all("tenants" not in lever for each in proposals for lever in each.levers)
