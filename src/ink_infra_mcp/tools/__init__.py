"""The tools: one module each; a tool observes, plans, and verifies, and can reach nothing that changes anything."""

from typing import Any

from ink_infra_mcp.core.operation import Mutation, Query
from ink_infra_mcp.tools.add_muscle import AddMuscle
from ink_infra_mcp.tools.apply_firewall import ApplyFirewall
from ink_infra_mcp.tools.backup_coolify import BackupCoolify
from ink_infra_mcp.tools.build_fork_image import BuildForkImage
from ink_infra_mcp.tools.cancel_operation import CancelOperation
from ink_infra_mcp.tools.check_firewall import CheckFirewall
from ink_infra_mcp.tools.check_fleet import CheckFleet
from ink_infra_mcp.tools.connect_private_network import ConnectPrivateNetwork
from ink_infra_mcp.tools.control_app import ControlApp
from ink_infra_mcp.tools.delete_app import DeleteApp
from ink_infra_mcp.tools.deploy_app import DeployApp
from ink_infra_mcp.tools.diagnose_app import DiagnoseApp
from ink_infra_mcp.tools.get_app import GetApp
from ink_infra_mcp.tools.get_app_logs import GetAppLogs
from ink_infra_mcp.tools.get_audit import GetAudit
from ink_infra_mcp.tools.get_coolify_image import GetCoolifyImage
from ink_infra_mcp.tools.get_fleet import GetFleet
from ink_infra_mcp.tools.get_operation import GetOperation
from ink_infra_mcp.tools.list_apps import ListApps
from ink_infra_mcp.tools.list_operations import ListOperations
from ink_infra_mcp.tools.list_server_offers import ListServerOffers
from ink_infra_mcp.tools.move_app import MoveApp
from ink_infra_mcp.tools.patch_fleet import PatchFleet
from ink_infra_mcp.tools.reboot_server import RebootServer
from ink_infra_mcp.tools.remove_muscle import RemoveMuscle
from ink_infra_mcp.tools.repair_server import RepairServer
from ink_infra_mcp.tools.restore_coolify import RestoreCoolify
from ink_infra_mcp.tools.restore_official_coolify import RestoreOfficialCoolify
from ink_infra_mcp.tools.resume_operation import ResumeOperation
from ink_infra_mcp.tools.rollback_app import RollbackApp
from ink_infra_mcp.tools.rotate_fork_image import RotateForkImage
from ink_infra_mcp.tools.set_app_env import SetAppEnv
from ink_infra_mcp.tools.set_fleet_domain import SetFleetDomain
from ink_infra_mcp.tools.set_wildcard_domain import SetWildcardDomain
from ink_infra_mcp.tools.setup_factory import SetupFactory
from ink_infra_mcp.tools.upgrade_coolify import UpgradeCoolify

ALL: tuple[type[Query[Any, Any, Any]] | type[Mutation[Any, Any, Any]], ...] = (
    DeployApp,
    ListApps,
    GetApp,
    GetAppLogs,
    DiagnoseApp,
    SetAppEnv,
    ControlApp,
    RollbackApp,
    MoveApp,
    DeleteApp,
    GetFleet,
    CheckFleet,
    GetCoolifyImage,
    RotateForkImage,
    RestoreOfficialCoolify,
    UpgradeCoolify,
    BackupCoolify,
    RestoreCoolify,
    BuildForkImage,
    SetupFactory,
    CheckFirewall,
    ApplyFirewall,
    SetWildcardDomain,
    ConnectPrivateNetwork,
    AddMuscle,
    RemoveMuscle,
    ListServerOffers,
    SetFleetDomain,
    RepairServer,
    RebootServer,
    PatchFleet,
    GetOperation,
    ListOperations,
    CancelOperation,
    ResumeOperation,
    GetAudit,
)
"""Every tool. A tool that is not listed here does not exist."""
