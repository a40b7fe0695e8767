"""Campaigns and products: the CRM's records, as events and routes have brought them."""

from __future__ import annotations

from web.admin.table import Table


class Campaigns(Table):
    """Campaigns by id and name."""

    column_list = ("campaign_id", "name", "created_at")
    column_labels = {"campaign_id": "Campaign", "name": "Name", "created_at": "First seen"}
    column_searchable_list = ("campaign_id", "name")
    column_default_sort = ("created_at", True)


class Products(Table):
    """Products by id, name and SKU."""

    column_list = ("product_id", "name", "sku", "created_at")
    column_labels = {"product_id": "Product", "name": "Name", "sku": "SKU", "created_at": "First seen"}
    column_searchable_list = ("product_id", "name", "sku")
    column_default_sort = ("created_at", True)
