"""``pinwheel dag-processor``: what ``airflow dag-processor`` does around the processor, with ours inside.

Source: ``airflow/cli/commands/dag_processor_command.py`` and ``airflow/__main__.py``, 3.3.2 and 3.4.0b2.
"""

from __future__ import annotations

import argparse
import os

from airflow.cli.commands.daemon_utils import run_command_with_daemon_option
from airflow.configuration import conf, write_default_airflow_configuration_if_needed
from airflow.utils import cli as cli_utils
from airflow.utils.process_utils import set_component_mp_start_method
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from pinwheel.airflow3.bundles import configured
from pinwheel.core.errors import NotFound


def dag_processor(options: argparse.Namespace) -> None:
    """Run the Dag processor in this process, or in a daemon with ``--daemon``, until it is stopped."""
    if conf.get("core", "security") == "kerberos":
        os.environ["KRB5CCNAME"] = conf.get("kerberos", "ccache")
        os.environ["KRB5_KTNAME"] = conf.get("kerberos", "keytab")
    write_default_airflow_configuration_if_needed()
    _dag_processor(options)


@cli_utils.action_cli
@providers_configuration_loaded
def _dag_processor(args: argparse.Namespace) -> None:
    set_component_mp_start_method("dag_processor")
    # One that is configured and can not be made is not unknown: the processor waits for it.
    elsewhere = set(args.bundle_name or ()) - configured.names()
    if elsewhere:
        try:
            cli_utils.validate_dag_bundle_arg(sorted(elsewhere))
        except SystemExit as error:
            raise NotFound(
                "Cannot start the Dag processor",
                found=str(error.code),
                remedy="See [dag_processor] dag_bundle_config_list",
            ) from error
    num_runs = args.num_runs if args.num_runs is not None else conf.getint("scheduler", "num_runs")

    def run() -> None:
        from pinwheel.airflow3.processor import manager

        manager.run(bundle_names=args.bundle_name, num_runs=num_runs)

    if cli_utils.should_enable_hot_reload(args):
        from airflow.cli.hot_reload import run_with_reloader

        run_with_reloader(run, process_name="dag-processor")
        return
    run_command_with_daemon_option(
        args=args, process_name="dag-processor", callback=run, should_setup_logging=True
    )
