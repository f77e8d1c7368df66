"""What can be asked for: the settings of every command and the names that they may have; light to import."""

from interfuse.settings.compare import SPACE, CompareSettings
from interfuse.settings.config import NO_SETTING, read_config
from interfuse.settings.diagnose import DiagnoseSettings
from interfuse.settings.encoders import EncoderSettings, default_store
from interfuse.settings.finetune import FINETUNE_NAMES, FinetuneSettings
from interfuse.settings.formats import Coding, Dtype, ExportFormat, Precision
from interfuse.settings.named import (
    BUILT_IN,
    ENDINGS,
    KINDS,
    SEPARATORS,
    check_data,
    check_file,
    check_folder,
    check_image_folder,
    check_run,
    check_study,
    is_study,
)
from interfuse.settings.names import IMAGE_ENCODERS, TEXT_ENCODERS, check_fusion, fusion_names
from interfuse.settings.portion import WHOLE, Portion
from interfuse.settings.predict import EVAL_BATCH, StreamSettings
from interfuse.settings.source import SourceSettings

__all__ = [
    "BUILT_IN",
    "ENDINGS",
    "EVAL_BATCH",
    "FINETUNE_NAMES",
    "IMAGE_ENCODERS",
    "KINDS",
    "NO_SETTING",
    "SEPARATORS",
    "SPACE",
    "TEXT_ENCODERS",
    "WHOLE",
    "Coding",
    "CompareSettings",
    "DiagnoseSettings",
    "Dtype",
    "EncoderSettings",
    "ExportFormat",
    "FinetuneSettings",
    "Portion",
    "Precision",
    "SourceSettings",
    "StreamSettings",
    "check_data",
    "check_file",
    "check_folder",
    "check_fusion",
    "check_image_folder",
    "check_run",
    "check_study",
    "default_store",
    "fusion_names",
    "is_study",
    "read_config",
]
