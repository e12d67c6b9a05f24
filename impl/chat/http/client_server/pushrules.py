"""Push rules: reading them."""

from chat_api.base import unfilled
from chat_api.client_server.pushrules import (
    GetPushRuleActionsRequest,
    GetPushRuleRequest,
    GetPushRulesGlobalRequest,
    GetPushRulesRequest,
    GetPushRulesResponse,
    IsPushRuleEnabledRequest,
    PushRule,
    PushRuleActions,
    PushRuleEnabled,
    PushRuleset,
)
from msgspec import convert

from chat.http.context import Context
from chat.services import push_rules

set_push_rule = unfilled
delete_push_rule = unfilled
set_push_rule_enabled = unfilled
set_push_rule_actions = unfilled


def get_push_rules(ctx: Context, _request: GetPushRulesRequest, /) -> GetPushRulesResponse:
    """GET /pushrules/"""
    return GetPushRulesResponse(global_=_ruleset(ctx))


def get_push_rules_global(ctx: Context, _request: GetPushRulesGlobalRequest, /) -> PushRuleset:
    """GET /pushrules/global/"""
    return _ruleset(ctx)


def _ruleset(ctx: Context) -> PushRuleset:
    return convert(push_rules.rules_of(ctx.user.user_id), PushRuleset)


def get_push_rule(ctx: Context, request: GetPushRuleRequest, /) -> PushRule:
    """GET /pushrules/global/{kind}/{ruleId}"""
    rule = push_rules.rule_of(ctx.user.user_id, request.kind, request.rule_id)
    return convert(rule, PushRule)


def is_push_rule_enabled(ctx: Context, request: IsPushRuleEnabledRequest, /) -> PushRuleEnabled:
    """GET /pushrules/global/{kind}/{ruleId}/enabled"""
    rule = push_rules.rule_of(ctx.user.user_id, request.kind, request.rule_id)
    return PushRuleEnabled(enabled=rule["enabled"])


def get_push_rule_actions(ctx: Context, request: GetPushRuleActionsRequest, /) -> PushRuleActions:
    """GET /pushrules/global/{kind}/{ruleId}/actions"""
    rule = push_rules.rule_of(ctx.user.user_id, request.kind, request.rule_id)
    return PushRuleActions(actions=rule["actions"])
