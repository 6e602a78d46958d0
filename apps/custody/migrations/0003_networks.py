"""The networks on which the best-known assets travel: decimals of the coin, when a deposit counts."""

from typing import Any

from django.db import migrations

NETWORKS = [
    # asset, network, coin, decimals, confirmations
    ("BTC", "bitcoin", "btc", 8, 3),
    ("ETH", "ethereum", "eth", 18, 32),
    ("USDT", "ethereum", "usdt", 6, 32),
    ("USDC", "ethereum", "usdc", 6, 32),
]


def fill_networks(apps: Any, schema_editor: Any) -> None:
    network = apps.get_model("custody", "AssetNetwork")
    network.objects.using(schema_editor.connection.alias).bulk_create(
        network(
            asset_code=asset,
            network=name,
            coin=coin,
            token="",
            decimals=decimals,
            min_confirmations=confirmations,
        )
        for asset, name, coin, decimals, confirmations in NETWORKS
    )


class Migration(migrations.Migration):
    dependencies = [("custody", "0002_rights")]

    operations = [migrations.RunPython(fill_networks, migrations.RunPython.noop)]
