"""Which tests take long, and why: `scripts/test` leaves them out, `scripts/test --all` and `.ci/run` do not.

What is left has one test of each kind at least: every store in the shared contract, the laboratory's known troublemakers,
the template deployed to the local AWS and used. A test that is named on the command line runs, however long it takes.
"""

LONG = {
    "tests/web/": "a real browser over the deployed template",
    "tests/faults/test_mutations.py": "histories for each broken rule, until one catches it",
    "tests/faults/test_ledger_mutations.py": "the same for the stores that keep their ledger in DynamoDB",
    "tests/faults/test_protocol_model.py": "every order of events of a model",
    "tests/faults/test_small_world.py": "thousands of runs of a small world",
    "tests/faults/test_other_stores.py::test_many_histories": "random histories on the other stores",
    "tests/faults/test_real_processes.py": "Postgres and workers killed under load",
    "tests/faults/test_laboratory.py::test_many_histories": "a hundred random histories",
    "tests/faults/test_laboratory.py::test_every_crash_point": "a crash at each pair of effects",
    "tests/faults/test_laboratory.py::test_without_faults": "sixty histories, each twice",
    "tests/faults/test_laboratory.py::test_a_hot_session": "two hundred saves of one session, ten workers",
    "tests/unit/test_recall_loop.py::test_a_quotation_is": "hundreds of conversations that quote themselves",
    "tests/unit/test_recall_loop.py::test_paraphrases_are": "the same",
    "tests/unit/test_recall_loop.py::test_a_copied_fence": "the same",
    "tests/unit/test_chunking.py::test_growing_exchange_by_exchange": "conversations cut anew at each exchange",
    "tests/unit/test_template.py::test_every_rule_fails": "the template once for each rule that it breaks",
    "tests/unit/test_packaging.py::test_each_bundle_imports": "every bundle in an interpreter of its own",
    "tests/unit/test_aws_rule_mutations.py::test_a_named_test_fails": "a process for each thing that is broken",
    "tests/unit/test_aws_rule_mutations.py::test_the_named_tests_pass": "the same tests once more, nothing broken",
    "tests/integration/test_contract_by_strategy.py": "the contract's searches once more for each strategy",
    "tests/integration/test_reembed_load.py": "ten thousand chunks go over to another space",
    "tests/integration/test_dynamodb_figures.py": "large memories in DynamoDB",
    "tests/integration/test_real_embedding_servers.py": "embedding servers that load models",
    "tests/integration/test_evaluation.py": "a whole set of questions",
    "tests/integration/test_hosted_embeddings.py": "the same through a hosted model's API",
    "tests/faults/test_other_stores.py::test_histories_on_a_real_opensearch": "random histories on a real OpenSearch",
    "tests/integration/test_opensearch_bench.py": "its benchmark, twice",
    "tests/integration/test_scale_bench.py": "the benchmark of scale, with small tables",
    "tests/e2e/test_demo_on_opensearch.py": "the whole demo on a real OpenSearch, twice",
    "tests/e2e/test_demo_door.py": "the whole demo, and two that are interrupted",
    "tests/e2e/test_local_stack.py::test_the_demo_checks_itself": "the whole demo, each of its messages asked for",
    "tests/e2e/test_local_stack.py::test_the_demo_takes_items": "one more demo",
    "tests/e2e/test_local_stack.py::test_a_second_stack_runs": "two more stacks, one after the other",
    "tests/e2e/test_main_job.py::test_growing_a_session": "six hundred saves, each indexed",
    **{
        f"tests/e2e/test_{name}.py": "everyday use of the deployed template, beside the main job"
        for name in (
            "adapters",
            "agent",
            "audit_and_forget",
            "backfill",
            "certificate",
            "dead_letters",
            "deploy",
            "digest",
            "digest_by_a_model",
            "http_entrances",
            "embedding_habits",
            "event_sources",
            "export",
            "incident",
            "lambda_environment",
            "other_stores",
            "own_data",
            "permissions",
        )
    },
}
"""Beginning of a test's name → why it takes long."""

ONCE_MORE = "real-opensearch-"
"""How the contract's stores are called that repeat what the stand-in for OpenSearch passes, on a real one."""
STAYING = "tests/contract/test_search.py"
"""Where they are quick to ask."""


def is_long(nodeid: str) -> bool:
    """Tell whether the test of this name takes long."""
    return nodeid.startswith(tuple(LONG)) or _on_a_real_one(nodeid)


def _on_a_real_one(nodeid: str) -> bool:
    return nodeid.startswith("tests/contract/") and ONCE_MORE in nodeid and not nodeid.startswith(STAYING)
