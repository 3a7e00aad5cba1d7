"""Every word that explaining uses, in Chinese and English. Decides nothing; nothing here is put together."""

from __future__ import annotations

from collections.abc import Mapping

Texts = Mapping[str, str]

LANGUAGES = ("zh", "en")

LEVELS: Mapping[str, Texts] = {
    "normal": {"zh": "正常", "en": "normal"},
    "blue": {"zh": "蓝色", "en": "blue"},
    "yellow": {"zh": "黄色", "en": "yellow"},
    "orange": {"zh": "橙色", "en": "orange"},
    "red": {"zh": "红色", "en": "red"},
}

EVENTS: Mapping[str, Texts] = {
    "raised": {"zh": "报警", "en": "raised"},
    "rose": {"zh": "升级", "en": "rose"},
    "fell": {"zh": "降级", "en": "fell"},
    "returned": {"zh": "解除", "en": "returned to normal"},
    "acknowledged": {"zh": "已确认", "en": "acknowledged"},
    "shelved": {"zh": "搁置", "en": "shelved"},
    "unshelved": {"zh": "搁置结束", "en": "shelving ended"},
    "silenced": {"zh": "消音", "en": "silenced"},
    "rearmed": {"zh": "消音结束", "en": "silence ended"},
    "suppressed": {"zh": "按设计抑制", "en": "suppressed by design"},
    "unsuppressed": {"zh": "抑制结束", "en": "suppression ended"},
    "out of service": {"zh": "停用", "en": "taken out of service"},
    "in service": {"zh": "恢复使用", "en": "returned to service"},
    "reset": {"zh": "复位", "en": "reset"},
}

QUALITIES: Mapping[str, Texts] = {
    "good": {"zh": "正常", "en": "good"},
    "uncertain": {"zh": "存疑", "en": "uncertain"},
    "over-range": {"zh": "超出量程上限", "en": "over range"},
    "under-range": {"zh": "低于量程下限", "en": "under range"},
    "inhibited": {"zh": "设备自报不可用", "en": "inhibited by the device"},
    "bad": {"zh": "无效", "en": "bad"},
    "comm-fault": {"zh": "通信故障", "en": "communication fault"},
    "stale": {"zh": "已过期", "en": "stale"},
    "none": {"zh": "从未有过读数", "en": "never read"},
}
CODES = ("good", "uncertain", "over-range", "under-range", "inhibited", "bad", "comm-fault", "none")

WITHHELD: Mapping[str, Texts] = {
    "shadow": {
        "zh": "试运行（shadow）：只判断、只记录，不发声",
        "en": "On trial (shadow): judged and recorded, sounds nothing",
    },
    "shelved": {"zh": "已搁置，不发声", "en": "Shelved: sounds nothing"},
    "silenced": {"zh": "已消音，暂不发声", "en": "Silenced: sounds nothing for now"},
    "suppressed": {"zh": "按设计抑制，不发声", "en": "Suppressed by design: sounds nothing"},
    "out of service": {"zh": "已停用，不发声", "en": "Out of service: sounds nothing"},
    "no plan": {"zh": "没有响应预案（plan），不发声", "en": "Has no response plan: sounds nothing"},
}

CLOCKS: Mapping[str, Texts] = {
    "trusted": {"zh": "时钟可信", "en": "clock trusted"},
    "redated": {"zh": "当时未对时，时间为事后推算", "en": "clock was not set, dated later"},
    "untrusted": {"zh": "时钟未对时，时间不可信", "en": "clock not set, time can't be trusted"},
}

MARKS: Mapping[str, str] = {"true": "✓", "false": "✗", "unknown": "?"}

# Margins of a comparison: which side of the limit, and whether it holds.
MARGINS: Mapping[tuple[str, str], Texts] = {
    (">", "true"): {"zh": "高出 {by}", "en": "{by} above"},
    (">", "false"): {"zh": "还差 {by}", "en": "{by} to go"},
    ("<", "true"): {"zh": "低 {by}", "en": "{by} below"},
    ("<", "false"): {"zh": "仍高 {by}", "en": "still {by} above"},
}

NEARLY: Texts = {"zh": "与界限之差小于舍入误差", "en": "no further from it than rounding"}

# What a condition of several parts asks of them; the parts stand below.
WHOLES: Mapping[str, Texts] = {
    "and": {"zh": "以下各项都成立：", "en": "all of:"},
    "or": {"zh": "以下任一成立：", "en": "any of:"},
    "not": {"zh": "以下不成立：", "en": "not:"},
}

SENTENCES: Mapping[str, Texts] = {
    "heading": {"zh": "{title}（{alarm}）：{before} → {after}", "en": "{title} ({alarm}): {before} -> {after}"},
    "heading-act": {"zh": "{title}（{alarm}）：{event}（{after}）", "en": "{title} ({alarm}): {event} ({after})"},
    "heading-now": {"zh": "{title}（{alarm}）：现在{after}", "en": "{title} ({alarm}): {after} now"},
    "when": {
        "zh": "{time}（{clock}），记录 {number}，第 {occurrence} 次报警",
        "en": "{time} ({clock}), record {number}, activation {occurrence}",
    },
    "when-now": {"zh": "{time}（{clock}）", "en": "{time} ({clock})"},
    "since-boot": {"zh": "开机后 {span}", "en": "{span} after boot"},
    "model": {"zh": "规则来自模型 {model}。", "en": "Its rules come from the model {model}."},
    "raised": {"zh": "{level}的条件成立，因此{event}。", "en": "The condition of {level} holds: {event}."},
    "raised-delay": {
        "zh": "{level}的条件已连续成立 {delay}（不晚于 {since} 起），满足延时，因此{event}。",
        "en": "The condition of {level} had held for its on-delay of {delay} (at least since {since}): {event}.",
    },
    "cleared": {"zh": "{level}的解除条件成立，因此{event}。", "en": "The clear condition of {level} holds: {event}."},
    "cleared-delay": {
        "zh": "{level}的解除条件已连续成立 {delay}（不晚于 {since} 起），满足延时，因此{event}。",
        "en": "The clear condition of {level} had held for its off-delay of {delay} (at least since {since}): {event}.",
    },
    "ended": {"zh": "{level}的条件不再成立，因此{event}。", "en": "The condition of {level} holds no more: {event}."},
    "ended-delay": {
        "zh": "{level}的条件已连续 {delay}不成立（不晚于 {since} 起），满足延时，因此{event}。",
        "en": "The condition of {level} had been false for its off-delay of {delay} (at least since {since}): {event}.",
    },
    "by-reset": {
        "zh": "锁定的{level}由 {who} 复位放行。",
        "en": "{level} was latched, and let go by a reset of {who}.",
    },
    "by-start": {"zh": "重新启动时判定：{why}。", "en": "Decided at the start: {why}."},
    "act": {"zh": "{event}：{who}。", "en": "{event}: {who}."},
    "act-why": {"zh": "{event}：{who}，理由：{why}。", "en": "{event}: {who}, because: {why}."},
    "not-higher": {"zh": "没有升到{level}，因为：", "en": "It did not reach {level}, because:"},
    "readings": {"zh": "依据的读数：", "en": "Readings it went by:"},
    "reading": {"zh": "{point} = {value}，{quality}，{age}", "en": "{point} = {value}, {quality}, {age}"},
    "reading-reason": {
        "zh": "{point} = {value}，{quality}（{reason}），{age}",
        "en": "{point} = {value}, {quality} ({reason}), {age}",
    },
    "age-now": {"zh": "刚刚", "en": "just now"},
    "age": {"zh": "{span}前", "en": "{span} old"},
    "age-never": {"zh": "从未有过可用读数", "en": "never usable"},
    "no-value": {"zh": "无值", "en": "no value"},
    "no-baseline": {"zh": "无", "en": "none"},
    "between": {"zh": "在 {low} 与 {high} 之间", "en": "between {low} and {high}"},
    "at-least": {"zh": "至少 {low}", "en": "at least {low}"},
    "at-most": {"zh": "至多 {high}", "en": "at most {high}"},
    "unknown-point": {"zh": "无法判断：{point} {why}", "en": "not known: {point} is {why}"},
    "unknown-window": {
        "zh": "无法判断：最近 {span}内的可用数据不足",
        "en": "not known: too little usable data in the last {span}",
    },
    "unknown": {"zh": "无法判断", "en": "not known"},
    "limit": {"zh": "界限 {limit}", "en": "limit {limit}"},
    "not-true": {"zh": "{level}没有报警：条件不成立。", "en": "{level} is not raised: its condition is false."},
    "not-known": {
        "zh": "{level}没有报警：条件无法判断（缺数据，既不报警也不解除）。",
        "en": "{level} is not raised: its condition is not known (missing data neither raises nor clears).",
    },
    "not-yet": {
        "zh": "{level}尚未报警：条件已成立 {passed}，需满 {delay}，还差 {rest}。",
        "en": "{level} is not raised yet: its condition has held for {passed} of {delay}, {rest} to go.",
    },
    "is-active": {"zh": "{level}正在报警。", "en": "{level} is active."},
    "clearing": {
        "zh": "{level}正在报警；解除条件已成立 {passed}，需满 {delay}。",
        "en": "{level} is active; its clear condition has held for {passed} of {delay}.",
    },
    "latched": {
        "zh": "{level}已锁定：条件已过，须有人复位。",
        "en": "{level} is latched: what raised it is over, and a person must reset it.",
    },
    "last-activation": {
        "zh": "上一次报警：{time}，最高{level}，记录 {number}（tocsin explain {number}）。",
        "en": "Last activation: {time}, to {level}, record {number} (tocsin explain {number}).",
    },
    "never-active": {"zh": "日志中没有它的报警记录。", "en": "The journal has no activation of it."},
    "now": {"zh": "现在：{words}", "en": "Now: {words}"},
    "chattering": {
        "zh": "注意：一分钟内报警三次以上，抖动。",
        "en": "Note: raised three times or more within a minute: it chatters.",
    },
    "flood": {
        "zh": "注意：当时正处于报警泛滥（十分钟内十个以上）。",
        "en": "Note: more than ten alarms in ten minutes: a flood.",
    },
    "rules": {"zh": "规则集 {rules}", "en": "rule set {rules}"},
    "equipment": {"zh": "设备 {alarm}：{event}", "en": "equipment {alarm}: {event}"},
    "why": {"zh": "原因：{why}", "en": "why: {why}"},
    "rezero": {
        "zh": "{point} 由 {who} 重新置零：{before} → {after}，理由：{why}。",
        "en": "{point} was re-zeroed by {who}: {before} -> {after}, because: {why}.",
    },
    "other": {"zh": "{kind} 记录：{body}", "en": "a record of kind {kind}: {body}"},
}

# What a replay says.
RESULTS: Mapping[str, Texts] = {
    "same": {
        "zh": "重放一致：从日志里 {time} 的判断状态起重做 {steps} 步，升降、时刻、依据都与当时逐位相同。",
        "en": "The same again: {steps} steps judged anew from the state of {time} give the same move at the same time "
        "for the same reasons, bit for bit.",
    },
    "differs": {
        "zh": "重放不一致：重做 {steps} 步后，以下各处不同：",
        "en": "It differs: after {steps} steps judged anew, these are not the same:",
    },
    "unproven": {
        "zh": "无法重放，什么也不能证明：{reason}。",
        "en": "It can't be judged again, nothing is proven: {reason}.",
    },
    "late": {
        "zh": "定时在 {exact} 到点，{late} 毫秒后执行。",
        "en": "The timer ran out at {exact}; it was acted on {late} ms later.",
    },
}

REASONS: Mapping[str, Texts] = {
    "older": {
        "zh": "记录是旧版软件写的，没有注明它在步骤中的位置",
        "en": "the record is of an older version, which did not say where it stands",
    },
    "no-image": {
        "zh": "日志里没有它之前的判断状态（已按配额清理，或文件更换过）",
        "en": "the journal has no state of judgement from before it (pruned by its quota, or the file was replaced)",
    },
    "bad-image": {
        "zh": "它之前的判断状态已损坏：{error}",
        "en": "the state of judgement before it is damaged: {error}",
    },
    "no-rules": {"zh": "日志里没有规则集 {rules}", "en": "the journal does not have the rule set {rules}"},
    "other-software": {
        "zh": "现在的软件对同样的规则判断不同：{error}",
        "en": "this version of the software judges the same rules in another way: {error}",
    },
    "no-alarm": {"zh": "当时的规则集里没有 {alarm}", "en": "the rule set of then has no alarm {alarm}"},
    "end": {
        "zh": "它之前的 {count} 步没有写到存储卡上（断电或被杀），其中损坏 {damaged} 步",
        "en": "{count} steps before it did not reach the card (power cut, kill), {damaged} of them are damaged",
    },
    "missing": {
        "zh": "它之前缺少 {count} 步（存储写不进时被抽稀），其中损坏 {damaged} 步",
        "en": "{count} steps before it are missing (thinned while the card took none), {damaged} of them are damaged",
    },
    "bad-step": {"zh": "第 {seq} 步的测点与规则集不符", "en": "step {seq} has points that the rule set does not have"},
}
