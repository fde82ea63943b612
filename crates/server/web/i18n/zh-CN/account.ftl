# 我的账号。
account-title = 我的账号
account-no-email = 未登记邮箱
account-done-password = 密码已修改，您的其他会话均已退出。
account-done-sessions = 已退出所选会话。
account-done-key = API 密钥已更改，立即在各处生效。
account-done-look = 已保存，您在任何浏览器登录后都会如此显示。
account-done-person = 账号信息已更改。
account-wrong-password = 当前密码不正确。
role-user = 用户
role-editor = 编辑
role-admin = 管理员

account-keys = 智能体与脚本的 API 密钥
account-keys-about = API 密钥的权限不超过您本人，并受您所设范围的限制。
account-keys-none = 还没有 API 密钥。
account-keys-none-about = 智能体使用 API 密钥读取您的文库。可以在这里创建，也可以按步骤连接智能体。
key-disabled = 已停用
key-only = 仅限 { $libraries }
key-until = 有效期至
key-used = { $ago }使用
key-never-used = 从未使用
key-enable = 启用
key-disable = 停用
key-delete = 删除
key-delete-about = 删除后，使用此密钥的请求会立即被拒绝，且无法恢复。
key-delete-good = 永久删除
key-make = 创建 API 密钥
key-name = 名称
key-scopes = 权限
scope-read = 阅读和检索
scope-notes = 写批注
scope-write = 添加、修改和删除文档
scope-chats = 提问，以及读写您的问答记录
scope-short-read = 阅读
scope-short-notes = 批注
scope-short-write = 写入
scope-short-chats = 问答
key-libraries = 适用文库
key-libraries-all = 不勾选则为您可读的全部文库。
key-libraries-list = 仅限这些文库（用英文逗号分隔）
key-days = 有效期
key-days-30 = 30 天
key-days-90 = 90 天
key-days-365 = 一年
key-days-none = 永不过期
key-make-good = 创建 API 密钥
key-new = 新 API 密钥
key-new-heading = API 密钥 { $name }
key-new-about = API 密钥只显示这一次，请立即复制。服务器不保存原文，无法再次显示。
key-new-label = API 密钥
key-copy = 复制
key-copied = 已复制
key-send = 智能体和脚本在请求头中发送它：
key-placeholder = API 密钥
key-connect = 连接智能体
key-back = 返回我的账号

account-sessions = 已登录的设备
session-current = 本设备
session-since = 登录于
session-used = { $ago }使用
session-end = 退出该设备
account-sessions-others = 退出其他所有会话

account-look = 语言与配色
account-look-about = 保存在账号中，换一个浏览器登录也会跟随您。
account-language = 语言
account-save = 保存

account-person = 姓名与邮箱
account-first-name = 名
account-last-name = 姓
account-email = 邮箱
account-email-password = 您的密码（修改邮箱时需要）
account-email-hint = 设置密码的链接会发送到这个邮箱。

account-data = 您的数据
account-data-about = 账号、批注、帖子、评论、点赞、关注和您发送的消息，保存为一个 JSON 行文件。您的提问和回答另有一个文件，可以再导入。
account-data-export = 下载我的数据
account-data-chats = 下载我的提问和回答

account-password = 密码
account-password-current = 当前密码
account-password-hint = 至少 10 个字符；可用几个互不相关的词。您的其他会话将退出。
account-password-change = 修改密码

account-mail = 邮件通知
account-mail-about = 选择多久用邮件提醒您一次未读通知。每封邮件都附有退订链接。
account-done-mail = 已保存。
mail-off = 本服务器不发送邮件：管理员没有配置邮件服务器。
mail-no-address = 您的账号没有邮箱：请在下方填写邮箱，以接收邮件。
mail-kind-mention = 有人提到您
mail-kind-reply = 有人回复您
mail-kind-accepted = 您的回答被采纳
mail-kind-message = 私信
mail-kind-version = 关注的文库有新版本
mail-kind-like = 点赞
mail-kind-follow = 新的关注者
mail-frequency-immediately = 立即
mail-frequency-daily = 每天
mail-frequency-weekly = 每周
mail-frequency-never = 从不

unsubscribe-title = 退订邮件通知
unsubscribe-about = 退订后您不会再收到通知邮件。通知仍会显示在站内，重设密码的邮件也会照常发送。
unsubscribe-button = 退订
unsubscribe-done = 已退订，您不会再收到通知邮件。
unsubscribe-account = 选择接收哪些邮件
unsubscribe-bad-link = 此链接无效。请登录，在账号页的“邮件通知”中选择接收哪些邮件。

digest-subject =
    { $others ->
        [0] 文渊：{ $first }
       *[other] 文渊：{ $first }，另有 { $others } 条通知
    }
digest-more = 另有 { $count } 条通知
digest-why = 您收到此邮件，是因为这些通知尚未阅读。
digest-settings = 选择接收邮件的频率
digest-unsubscribe = 退订
