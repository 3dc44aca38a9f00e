"""What boto3 and AWS say of a failed call, in the words of `model.errors`: each with a hint that helps its source.

It must not know what the calls are for, nor try one again.
"""

from __future__ import annotations

from typing import Any

from maelstrom.model.errors import (
    ActivityMissing,
    AwsNotConfigured,
    AwsRefused,
    AwsThrottled,
    AwsUnavailable,
    InvalidTaskToken,
    MaelstromError,
    MessageGone,
    OutputRefused,
    QueueMissing,
    TaskGone,
)

THROTTLED = frozenset(
    ["Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
     "TooManyRequestsException", "RequestLimitExceeded", "SlowDown", "KmsThrottlingException", "KmsThrottled",
     "ActivityWorkerLimitExceeded", "OverLimit"]
)  # fmt: skip
NOT_CONFIGURED = frozenset(
    ["UnrecognizedClientException", "InvalidClientTokenId", "ExpiredToken", "ExpiredTokenException",
     "IncompleteSignature", "InvalidSignatureException", "SignatureDoesNotMatch", "MissingAuthenticationToken",
     "MissingAuthenticationTokenException", "OptInRequired", "InvalidSecurity", "InvalidAccessKeyId"]
)  # fmt: skip
BY_CODE: dict[str, type[MaelstromError]] = {
    "TaskTimedOut": TaskGone,
    "TaskDoesNotExist": TaskGone,
    "InvalidToken": InvalidTaskToken,
    "InvalidOutput": OutputRefused,
    "ActivityDoesNotExist": ActivityMissing,
    "QueueDoesNotExist": QueueMissing,
    "NonExistentQueue": QueueMissing,
    "QueueDeletedRecently": QueueMissing,
    "ReceiptHandleIsInvalid": MessageGone,
    "MessageNotInflight": MessageGone,
    **dict.fromkeys(THROTTLED, AwsThrottled),
    **dict.fromkeys(NOT_CONFIGURED, AwsNotConfigured),
}
PERMISSIONS = {
    "sqs": "allow sqs:GetQueueUrl, ListQueues, ReceiveMessage, DeleteMessage and ChangeMessageVisibility",
    "stepfunctions": "allow states:ListActivities, CreateActivity, GetActivityTask, SendTaskSuccess, SendTaskFailure"
    " and SendTaskHeartbeat",
}
ENDPOINTS = {"sqs": "AWS_ENDPOINT_URL_SQS", "stepfunctions": "AWS_ENDPOINT_URL_SFN"}


def translated(service: str, method: str, error: Exception) -> MaelstromError:
    """The error in our words; what does not come from boto3 is raised again as it is."""
    from botocore import exceptions as aws

    match error:
        case aws.ClientError():
            if error.operation_name == "AssumeRole":
                return _no_role(error)
            answer = error.response.get("Error", {})
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            message = answer.get("Message") or answer.get("message") or str(error)
            return refusal(service, method, answer.get("Code", ""), message, status)
        case aws.NoRegionError():
            return AwsNotConfigured(
                "no AWS region is set",
                hint="set AWS_DEFAULT_REGION, a region in ~/.aws/config, or the source's `region`",
            )
        case (
            aws.NoCredentialsError()
            | aws.PartialCredentialsError()
            | aws.CredentialRetrievalError()
            | aws.TokenRetrievalError()
            | aws.SSOError()
            | aws.ProfileNotFound()
            | aws.ConfigParseError()
            | aws.ConfigNotFound()
            | aws.InvalidConfigError()
        ):
            return AwsNotConfigured(f"AWS credentials: {error}")
        case aws.ParamValidationError():
            return AwsRefused(f"{method}: {error}", hint="this is an error of maelstrom: please report it")
        case aws.BotoCoreError() | OSError():
            return AwsUnavailable(f"AWS cannot be reached: {error}")
        case ValueError() if "endpoint" in str(error).lower():
            hint = f"correct AWS_ENDPOINT_URL, {ENDPOINTS.get(service, '')} or the source's `endpoint`"
            return AwsNotConfigured(str(error), hint=hint)
    raise error


def refusal(service: str, method: str, code: str, message: str, status: int) -> MaelstromError:
    """What the service itself has answered. Codes of the older protocol begin with `AWS.SimpleQueueService.`."""
    name = code.rpartition(".")[2].rpartition("#")[2]
    text = f"{method}: {name}: {message}"
    if name in BY_CODE:
        return BY_CODE[name](text)
    if name == "ValidationException" and method == "send_task_success":
        return OutputRefused(text)
    if status == 429:
        return AwsThrottled(text)
    if status >= 500:
        return AwsUnavailable(text)
    permissions = PERMISSIONS.get(service)
    return AwsRefused(text, hint=f"{permissions}; it is tried again by itself" if permissions else None)


def _no_role(error: Any) -> MaelstromError:
    answer = error.response.get("Error", {})
    text = f"the role cannot be assumed: {answer.get('Code', '')}: {answer.get('Message') or error}"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if answer.get("Code") in THROTTLED or status == 429:
        return AwsThrottled(text)
    if status >= 500:
        return AwsUnavailable(text)
    return AwsNotConfigured(
        text,
        hint="correct the source's `rolearn`; the daemon needs sts:AssumeRole, the role must trust it",
    )
