"""Does the scheme of a URL choose the technology, and is one that nobody keeps refused?"""

import msgspec
import pytest
from typer.testing import CliRunner

from foryou.cli import app
from foryou.config import Config, Stores, load
from foryou.domain.errors import Invalid
from foryou.domain.release import Release
from foryou.services.s3 import BUCKET, REGION
from foryou.stores.objects import Bucket
from foryou.wiring import backends, serving
from foryou.wiring.home import open_home


@pytest.mark.parametrize("url", ["ftp://host/x", "s3://", "s3:/bucket", "bucket", "/a/folder", "://x"])
def test_a_url_that_names_no_store_is_refused_with_those_that_do(url: str, tmp_path) -> None:
    said = r"stores.models: '.*' is not the URL of a store; leave it empty for the home, or give file://…, s3://…"
    with pytest.raises(Invalid, match=said):
        open_home(load(tmp_path, {}, stores={"models": url}))
    with pytest.raises(Invalid, match=said):
        CliRunner().invoke(app, ["serve", "--home", str(tmp_path), "--models", url], catch_exceptions=False)


def test_models_may_lie_in_another_folder_or_in_a_bucket(tmp_path, services) -> None:
    stores = {"endpoint": services("s3"), "region": REGION}
    for number, url in enumerate(((tmp_path / "shared").as_uri(), f"s3://{BUCKET}/{tmp_path.name}")):
        first, second = (
            open_home(load(tmp_path / f"{name}-{number}", {}, stores=stores | {"models": url})) for name in "ab"
        )
        first.models.replace_release(Release(1, {}), 0)
        assert second.models.release() == Release(1, {})
        first.close()
        second.close()
    assert (tmp_path / "b-1" / "cache").is_dir()


def test_the_copies_of_two_buckets_do_not_mix(tmp_path) -> None:
    config = load(tmp_path, {})
    assert backends.cache("s3://one/models", config) != backends.cache("s3://two/models", config)
    elsewhere = load(tmp_path, {}, stores={"cache": str(tmp_path / "fast")})
    assert backends.cache("s3://one/a/b", elsewhere) == tmp_path / "fast" / "one_a_b"


def test_the_settings_of_a_bucket_reach_it_and_the_processes(tmp_path) -> None:
    config = load(tmp_path, {}, stores={"models": "s3://b/p", "endpoint": "http://h:1", "region": "r"})
    assert backends.bucket(config) == Bucket("http://h:1", "r")
    environment = serving.launch(config)[1]
    again = load(None, {name: value for name, value in environment.items() if name.startswith("FORYOU_STORES")})
    assert again.stores == msgspec.structs.replace(Config().stores, models="s3://b/p")
    assert Stores() == Config().stores
