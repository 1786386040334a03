"""URLs of a Django project that has none."""

urlpatterns: list[object] = []
