"""Where chat apps put a message's role, text, time and speaker: one table. Pure data, read by :mod:`pipeline.source.messages`.

Apps agree on little: ``content`` is a string, an object or a list of parts, a role is ``human`` or ``USER``, and the message may
be wrapped in another object. The tables below say where to look, in order. To add an app, add its name to a row
and its message to ``tests/unit/test_shapes.py``; ``docs/your-data.md`` lists who writes what.

Names of fields are compared without case, ``_`` and ``-``: ``createdAt``, ``created_at`` and ``CreatedAt`` are one.
"""

import re
from collections.abc import Mapping

WRAPPERS = ("message", "data", "kwargs", "conversational", "payload")
"""Objects that hold the message: exports and Strands, LangChain, LangChain's constructor dumps, AgentCore, Botpress."""

ROLE_AT = (
    "role", "author.role", "author", "messagetype", "sendertype", "sender.role", "sender.type", "sender", "speaker",
    "content.role", "from.role", "from", "kind", "source", "direction", "event", "type", "id",
)  # fmt: skip
"""Where a role may stand; a ``role`` counts whatever it says, of the others the first that names a known one."""

TEXT_AT = (
    "content", "parts", "text", "blocks", "items", "body", "message", "value", "output", "transcript", "refusal", "audio",
)  # fmt: skip
"""Where the text may stand; the first that says something counts."""

TIME_AT = (
    "timestamp", "createdat", "created", "createtime", "creationtime", "createddatetime", "createdtimestamp", "ts",
    "sentat", "sent", "senttime", "sentdatetime", "date", "datetime", "dateunixtime", "time", "messagetime", "postedat",
    "receivedat", "occurredat", "insertedat", "publishedat", "saidat", "updatedat",
)  # fmt: skip
"""Where the time may stand, in the message, in what wraps it, and in its ``metadata``."""

NAME_AT = (
    "name", "authorname", "displayname", "userprofile.displayname", "userprofile.realname", "username",
    "from.user.displayname", "from.name", "author.displayname", "author.username", "author.name",
)  # fmt: skip

METADATA_AT = ("metadata", "additionalkwargs", "responsemetadata", "meta", "custommetadata")

ROLES: Mapping[str, str] = {
    **dict.fromkeys(("user", "human", "usermessage", "humanmessage", "humanmessagechunk", "enduser", "customer", "client",
                     "incoming", "inbound", "prompter", "request", "visitor", "userprompt"), "user"),
    **dict.fromkeys(("assistant", "ai", "model", "bot", "chatbot", "aimessage", "aimessagechunk", "assistantmessage", "agent",
                     "gpt", "chatgpt", "apimessage", "llm", "outgoing", "outbound", "response"), "assistant"),
    **dict.fromkeys(("system", "developer", "systemmessage", "developermessage", "systemprompt", "systemmessagechunk",
                     "instructions"), "system"),
    **dict.fromkeys(("tool", "function", "toolmessage", "functionmessage", "toolmessagechunk", "toolresponsemessage", "ipython",
                     "toolresult", "toolresponse", "functionresponse", "data", "toolreturn", "observation"), "tool"),
}  # fmt: skip
"""What apps call a role, without case and punctuation → ours."""

UNSAID = frozenset(
    {
        # tools
        "tooluse", "toolresult", "toolcall", "toolcalls", "toolreturn", "toolinvocation", "toolinvocations", "toolresponse",
        "functioncall", "functioncalloutput", "functionresponse", "servertooluse", "websearchtoolresult", "mcptooluse",
        "mcptoolresult", "websearchcall", "filesearchcall", "computercall", "computercalloutput", "codeinterpretercall",
        "imagegenerationcall", "mcpcall", "mcplisttools", "mcpapprovalrequest", "mcpapprovalresponse", "localshellcall",
        "localshellcalloutput", "customtoolcall", "customtoolcalloutput", "itemreference", "executablecode",
        "codeexecutionresult", "codeexecutiontoolresult", "dynamictool", "toolapprovalrequest", "toolapprovalresponse",
        "toolcallresult", "builtintoolcall", "builtintoolreturn", "retryprompt", "searchresult", "toolsearchcall",
        "executionoutput", "tetherbrowsingdisplay", "tetherquote", "systemerror", "toolcallchunk", "textwebsearch",
        "functioncallcontent", "functionresultcontent", "systemprompt",
        # reasoning
        "reasoning", "reasoningcontent", "reasoningtext", "redactedreasoning", "thinking", "redactedthinking", "thought",
        "reasoningmessage", "hiddenreasoningmessage", "toolcallmessage", "toolreturnmessage", "thoughts", "reasoningrecap", "summarytext", "think", "compaction", "reasoningdetails",
        # pictures, sound and files
        "image", "imageurl", "inputimage", "imagefile", "imageassetpointer", "audio", "inputaudio", "outputaudio",
        "audioassetpointer", "realtimeuseraudiovideoassetpointer", "video", "videourl", "videocontainerassetpointer",
        "file", "inputfile", "filedata", "inlinedata", "media", "document", "documenturl", "binary", "imagecontent",
        "audiocontent", "filecontent", "containerupload", "sticker", "location", "contact", "attachment",
        "attachments", "experimentalattachments", "files", "cite", "citation", "citations",
        # marks
        "stepstart", "stepfinish", "source", "sourceurl", "sourcedocument", "cachepoint", "cachecontrol", "start", "finish",
        "abort", "error", "usereditablecontext", "modeleditablecontext", "removemessage", "remove", "divider",
    }
)  # fmt: skip
"""Kinds of parts and names of fields that are understood and hold nothing that was said."""

UNSAID_TYPES = re.compile(r"(?:tool|data|source)-.", re.IGNORECASE)
"""AI SDK 5 names parts ``tool-getWeather``, ``data-weather``, ``source-url``."""

PART_TEXT_AT = (
    "text",
    "value",
    "content",
    "parts",
    "transcript",
    "refusal",
    "inputtext",
    "outputtext",
    "body",
    "message",
    "elements",
)
PART_IN = ("guardcontent", "citationscontent")
"""Objects within a part that hold its text: Bedrock Converse."""

PART_KIND_AT = ("type", "blocktype", "partkind", "kind", "contenttype")

SILENT_FIELDS = frozenset(
    {
        *UNSAID, "id", "uuid", "messageid", "type", "role", "status", "metadata", "additionalkwargs", "responsemetadata",
        "parentid", "threadid", "resourceid", "runid", "object", "model", "index", "lc", "name", "usage", "usagemetadata",
        "finishreason", "stopreason", "weight", "recipient", "channel", "annotations", "audio", "children", "parent", "author",
        "sender", "user", "userid", "sessionid", "invalidtoolcalls", "toolcallid", "revisionid", "meta", "kind", "format",
        "createdby", "assistantid", "conversationid", "requestid", "traceid", "providermetadata", "example", "modelname",
    }
)  # fmt: skip
"""Fields that may be all there is of a message that says nothing."""

ROLES_FIRST = ("roletype", "role")
"""Fields that say the role whatever else there is; Zep keeps a name in ``role`` and the role in ``role_type``."""

PAIRS_AT = (
    ("query", "answer"), ("question", "answer"), ("prompt", "response"), ("prompt", "completion"), ("input", "output"),
    ("inputs", "outputs"), ("instruction", "output"), ("user", "assistant"), ("human", "ai"), ("usermessage", "botmessage"),
    ("usermessage", "assistantmessage"), ("userinput", "botresponse"), ("user", "bot"), ("input", "response"),
)  # fmt: skip
"""Fields of a record that is a question and its answer: Dify, LangChain's saved context, tuning data."""

LISTS_AT = (
    "messages",
    "chatmessages",
    "contents",
    "history",
    "turns",
    "data",
    "items",
    "conversation",
    "events",
)
"""Where an object holds the list of messages; ChatGPT's export has a tree under ``mapping``."""

SLACK_SAID = frozenset({"", "bot_message", "thread_broadcast", "me_message", "file_share"})
"""Slack's subtypes that somebody said; the others tell of people who came and topics that were set."""
