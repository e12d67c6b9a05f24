"""Push rules."""

from chat_api.client_server.pushrules import (
    DeletePushRuleRequest,
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
    SetPushRuleActionsRequest,
    SetPushRuleEnabledRequest,
    SetPushRuleRequest,
)
from chat_api.common.schemas import Empty
from msgspec import convert

from chat.http.context import Context
from chat.services import push_rules


def get_push_rules(ctx: Context, _request: GetPushRulesRequest, /) -> GetPushRulesResponse:
    """GET /pushrules/"""
    return GetPushRulesResponse(global_=_ruleset(ctx))


def get_push_rules_global(ctx: Context, _request: GetPushRulesGlobalRequest, /) -> PushRuleset:
    """GET /pushrules/global/"""
    return _ruleset(ctx)


def _ruleset(ctx: Context) -> PushRuleset:
    return convert(push_rules.rules_of(ctx.server, ctx.user.user_id), PushRuleset)


def get_push_rule(ctx: Context, request: GetPushRuleRequest, /) -> PushRule:
    """GET /pushrules/global/{kind}/{ruleId}"""
    return convert(_rule(ctx, request.kind, request.rule_id), PushRule)


def _rule(ctx: Context, kind: str, rule_id: str) -> push_rules.Rule:
    return push_rules.rule_of(ctx.server, ctx.user.user_id, kind, rule_id)


def set_push_rule(ctx: Context, request: SetPushRuleRequest, /) -> Empty:
    """PUT /pushrules/global/{kind}/{ruleId}"""
    rule = {
        "rule_id": request.rule_id,
        "actions": request.body.actions,
        "conditions": request.body.conditions,
        "pattern": request.body.pattern,
    }
    push_rules.put(
        ctx.server, ctx.user, request.kind, rule, before=request.before, after=request.after
    )
    return Empty()


def delete_push_rule(ctx: Context, request: DeletePushRuleRequest, /) -> Empty:
    """DELETE /pushrules/global/{kind}/{ruleId}"""
    push_rules.delete(ctx.server, ctx.user, request.kind, request.rule_id)
    return Empty()


def is_push_rule_enabled(ctx: Context, request: IsPushRuleEnabledRequest, /) -> PushRuleEnabled:
    """GET /pushrules/global/{kind}/{ruleId}/enabled"""
    return PushRuleEnabled(enabled=_rule(ctx, request.kind, request.rule_id)["enabled"])


def set_push_rule_enabled(ctx: Context, request: SetPushRuleEnabledRequest, /) -> Empty:
    """PUT /pushrules/global/{kind}/{ruleId}/enabled"""
    enabled = request.body.enabled
    push_rules.set_enabled(ctx.server, ctx.user, request.kind, request.rule_id, enabled=enabled)
    return Empty()


def get_push_rule_actions(ctx: Context, request: GetPushRuleActionsRequest, /) -> PushRuleActions:
    """GET /pushrules/global/{kind}/{ruleId}/actions"""
    return PushRuleActions(actions=_rule(ctx, request.kind, request.rule_id)["actions"])


def set_push_rule_actions(ctx: Context, request: SetPushRuleActionsRequest, /) -> Empty:
    """PUT /pushrules/global/{kind}/{ruleId}/actions"""
    push_rules.set_actions(
        ctx.server, ctx.user, request.kind, request.rule_id, request.body.actions
    )
    return Empty()
