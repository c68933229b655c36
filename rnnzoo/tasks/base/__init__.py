"""Base classes of tasks."""

from rnnzoo.tasks.base.bucketed import BucketedTask
from rnnzoo.tasks.base.classification import ClassificationTask, classification_spec
from rnnzoo.tasks.base.encoded_pairs import SequencePair
from rnnzoo.tasks.base.language_model import LanguageModelTask, TextOptions
from rnnzoo.tasks.base.seq2seq import Seq2SeqTask, SyntheticSeq2SeqTask, seq2seq_spec
from rnnzoo.tasks.base.task import SyntheticTask, Task

__all__ = ["BucketedTask", "ClassificationTask", "LanguageModelTask", "Seq2SeqTask", "SequencePair"]
__all__ += ["SyntheticSeq2SeqTask", "SyntheticTask", "Task", "TextOptions", "classification_spec", "seq2seq_spec"]
