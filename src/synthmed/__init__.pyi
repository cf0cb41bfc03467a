"""The names of ``synthmed`` for editors and type checkers; ``__init__.py`` imports them on first use."""

from synthmed.auditing import audit as audit
from synthmed.checkup.doctor import doctor as doctor
from synthmed.comparison.class_table import class_table as class_table
from synthmed.comparison.compare import compare as compare
from synthmed.data.dataset import PreparedDataset as PreparedDataset
from synthmed.data.export import export as export
from synthmed.data.prepare import prepare as prepare
from synthmed.demonstration import demo as demo
from synthmed.editing.interpolate import interpolate as interpolate
from synthmed.editing.invert import invert as invert
from synthmed.editing.perturb import perturb as perturb
from synthmed.editing.splice import splice as splice
from synthmed.evaluation.report import evaluate as evaluate
from synthmed.generation.generate import generate as generate
from synthmed.generation.model import load_model as load_model
from synthmed.listing import names as names
from synthmed.phantoms import phantom as phantom
from synthmed.pretrained.folder import weights as weights
from synthmed.publishing.models import models_index as models_index
from synthmed.publishing.models import models_publish as models_publish
from synthmed.publishing.release import publish as publish
from synthmed.publishing.site import site as site
from synthmed.publishing.verifying import open_release as open_release
from synthmed.publishing.verifying import verify as verify
from synthmed.publishing.withdrawal import withdraw as withdraw
from synthmed.reading.design import study_new as study_new
from synthmed.reading.report import study_report as study_report
from synthmed.reading.serving import study_invite as study_invite
from synthmed.reading.serving import study_serve as study_serve
from synthmed.reading.simulate import study_simulate as study_simulate
from synthmed.reading.store import study_backup as study_backup
from synthmed.samples import SampleSet as SampleSet
from synthmed.segmentation.labelling import label as label
from synthmed.training.loop import train as train
from synthmed.zoo.folder import models_fetch as models_fetch
from synthmed.zoo.folder import models_list as models_list
from synthmed.zoo.folder import models_verify as models_verify

__version__: str
