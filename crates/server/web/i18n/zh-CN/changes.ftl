# 文库两个版本之间的变化。
changes-of = { $library } 的变化
changes-title = { $library }：{ $from } 至 { $to }
changes-feed = 变化的 Atom 订阅
changes-alone = 没有更早的版本可供比较。请选择两个版本。
changes-kinds = 变化种类
changes-kind-added = 新增
changes-kind-removed = 删除
changes-kind-moved = 移动
changes-kind-changed = 修改
changes-moved-from = 原路径
changes-lines = 增加和删除的行数
changes-unchanged = { $count } 篇文档未变
