"""Two operations on one path, told apart by a field."""

from generator.documents import Bundle
from generator.schemas import Schemas
from openapi_spec_validator import validate


def test_output(case):
    assert case.output("client_server/routes.py") == case.expected


def test_the_document_has_one_operation_that_takes_either_body(case):
    document = Bundle(case.spec, Schemas(case.spec)).document()
    validate(document)
    invite = document["paths"]["/invite"]["post"]
    assert (invite["operationId"], invite["description"]) == (
        "inviteUser",
        "Invites by ID. Invites by address.",
    )
    references = invite["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert references == [
        {"$ref": "#/components/schemas/InviteUserRequest"},
        {"$ref": "#/components/schemas/InviteByAddressRequest"},
    ]
