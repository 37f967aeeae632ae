"""The STL: triangles in mm, as every slicer reads them."""

import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("rest", "<u2")])
_HEAD = b"testigo, millimetres".ljust(80)


def written(solid: Manifold) -> bytes:
    """The solid as a binary STL."""
    mesh = solid.to_mesh()
    corners = np.round(mesh.vert_properties[:, :3].astype(np.float64), 4)[mesh.tri_verts]
    rows = np.zeros(len(corners), _TRIANGLE)
    rows["corners"] = corners
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    rows["normal"] = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return _HEAD + np.uint32(len(rows)).tobytes() + rows.tobytes()


def read(stl: bytes) -> NDArray[np.float32]:
    """Its triangles: shape (n, 3 corners, 3), mm.

    Raises:
        ValueError: the file is not as long as it says.
    """
    count = int(np.frombuffer(stl, "<u4", 1, len(_HEAD))[0])
    if len(stl) != len(_HEAD) + 4 + count * _TRIANGLE.itemsize:
        raise ValueError(f"an STL of {count} triangles is not {len(stl)} bytes long")
    corners: NDArray[np.float32] = np.frombuffer(stl, _TRIANGLE, count, len(_HEAD) + 4)["corners"]
    return corners
