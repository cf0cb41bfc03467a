"""What the toy methods of these tests share: settings, and a stage of one phase."""

from pydantic import Field

from synthmed.config import Settings
from synthmed.methods._contract import Adam, Phase, Stage


class ToyConfig(Settings):
    images: int = Field(64, description="Images seen.")


def learned(config, networks, objective, *, rate=0.05, **more):
    phase = Phase(networks=networks, objective=objective, optimizer=Adam(learning_rate=rate).build)
    return [Stage(name="toy", phases=(phase,), images=config.images, batch_size=4, **more)]
